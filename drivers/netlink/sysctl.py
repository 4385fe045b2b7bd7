"""What the kernel does by itself on one interface, and must not do on a link to a phone (ip-sysctl)."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from drivers.errors import RadioError

PROC: Final = Path("/proc")

# In the order in which they are written.
ISOLATION: Final = {
    "ipv6/conf/{}/disable_ipv6": 1,
    "ipv6/conf/{}/accept_ra": 0,
    "ipv4/conf/{}/forwarding": 0,
    "ipv4/conf/{}/accept_redirects": 0,
    "ipv4/conf/{}/send_redirects": 0,
    "ipv4/conf/{}/accept_source_route": 0,
    "ipv4/conf/{}/arp_ignore": 1,  # only the address of this interface is told, not those of the home network
    "ipv4/conf/{}/arp_announce": 2,  # and only that one is asked with
    "ipv4/conf/{}/rp_filter": 2,  # strict would drop the phone when the home network uses the same addresses
}


class SettingError(RadioError):
    """The kernel's behaviour on an interface cannot be set."""

    remedy = "Run it as root, or with the capability CAP_NET_ADMIN and /proc/sys writable."


def isolate(interface: str, proc: Path = PROC) -> None:
    """Keep the kernel from doing anything on `interface` that we did not ask for. Before it is switched on.

    Raises `SettingError`. A kernel without IPv6 has nothing to be set there.
    """
    for place, value in ISOLATION.items():
        write_setting(place.format(interface), value, proc)


def write_setting(place: str, value: int, proc: Path = PROC) -> None:
    """Write one setting below /proc/sys/net. Raises `SettingError`."""
    path = proc / "sys/net" / place
    with suppress(FileNotFoundError):
        _write(path, value)
        return
    if (proc / "sys/net" / place.split("/")[0]).exists():
        raise SettingError(f"The kernel has no setting {place}.")


def _write(path: Path, value: int) -> None:
    try:
        if int(path.read_text()) != value:
            path.write_text(f"{value}\n")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise SettingError(f"{path} cannot be set to {value}: {error}.") from None
