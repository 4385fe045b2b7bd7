"""An independent Wi-Fi client for the tests: wpa_supplicant and udhcpc on an interface of their own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from tests.lab.inside.supplicant import Supplicant
from tests.lab.inside.world import RUN, run, wait_until

_ADDRESS = "02:00:00:00:01:{:02x}"
_NUMBERS = count(0x80)
_JOIN_LIMIT_S = 60.0


@contextmanager
def joined(ssid: str, psk: str, frequency_mhz: int, radio: str = "appliance") -> Iterator[str]:
    """Join a network with another interface of a radio, and lease an address. Yields the interface's name."""
    number = next(_NUMBERS)
    interface = f"sta{number:x}"
    run("iw", "phy", radio, "interface", "add", interface, "type", "managed", "addr", _ADDRESS.format(number))
    try:
        with _supplicant(interface, ssid, psk, frequency_mhz):
            run("busybox", "udhcpc", "-n", "-q", "-f", "-t", "10", "-T", "1", "-i", interface, "-s", lease_script())
            yield interface
    finally:
        run("iw", "dev", interface, "del")


@contextmanager
def _supplicant(interface: str, ssid: str, psk: str, frequency_mhz: int) -> Iterator[None]:
    config, control = RUN / f"{interface}.conf", RUN / interface
    network = f'ssid="{ssid}"\npsk="{psk}"\nkey_mgmt=WPA-PSK\nscan_ssid=1\nscan_freq={frequency_mhz}\n'
    config.write_text(f"network={{\ndisabled=1\n{network}}}\n")
    process = subprocess.Popen(
        ["wpa_supplicant", "-i", interface, "-c", config, "-g", control, "-f", RUN / f"{interface}.log"]
    )
    try:
        wait_until(control.exists, "wpa_supplicant's control socket")
        with Supplicant(control) as supplicant:
            supplicant.request(f"IFNAME={interface} ENABLE_NETWORK 0")
            supplicant.wait_for("CTRL-EVENT-CONNECTED", _JOIN_LIMIT_S)
            yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def lease_script() -> str:
    """Return the path of what udhcpc calls with a lease; it must not touch routes or resolvers."""
    script = RUN / "lease.sh"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && ip address add "$ip/$mask" dev "$interface"\nexit 0\n')
    script.chmod(0o755)
    return str(script)
