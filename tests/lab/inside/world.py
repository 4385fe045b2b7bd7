"""The world around the appliance: `python3 -m tests.lab.inside.world [--country DE]`. Made once, then left running.

    where               what
    root namespace      `wlan1`, the appliance's radio: up, and no supplicant near it
    namespace `go`      the phone: the group owner of a P2P group, 192.168.49.1, with DHCP
    namespace `ap`      the house: an access point with WPA2, 10.7.0.1 on wlan2, with DHCP
    /dev/gpiochip0      see gpio_chip.py
    /dev/vhci           see vhci.py

Tests in the guest import it to change the phone's group or the country.
"""

import argparse
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.inside import gpio_chip
from tests.lab.inside.hwsim import Hwsim, InterfaceType, Radio
from tests.lab.inside.supplicant import Supplicant

RUN = Path("/run/lab")
MADE = RUN / "world"

PHONE_NAMESPACE, HOUSE_NAMESPACE = "go", "ap"
PHONE_WLAN, APPLIANCE_WLAN, HOUSE_WLAN = "wlan0", "wlan1", "wlan2"
HOUSE_SSID, HOUSE_PSK, HOUSE_ADDRESS = "home", "homehome1", "10.7.0.1"
HOUSE_CHANNEL = 1
PHONE_ADDRESS = "192.168.49.1"
ARP_PING_MS, USUAL_ARP_PING_MS = 200, 2_000  # the usual one costs every test two seconds

_P2P_DEVICE = f"IFNAME=p2p-dev-{PHONE_WLAN}"  # where wpa_supplicant keeps the networks of groups
_LIMIT_S = 30.0  # the host may be busy
_LOOK_S = 0.02
_ROUTER = frozenset({InterfaceType.STATION, InterfaceType.AP})


@dataclass(frozen=True, slots=True)
class Group:
    """A P2P group as a phone names it in its link info."""

    ssid: str = "DIRECT-ab"
    psk: str = "radiolab123"
    frequency_mhz: int = 2437


USUAL_GROUP = Group()


def run(*command: str | Path, namespace: str | None = None) -> str:
    """Run a program, in a network namespace if one is named, and return what it printed."""
    prefix = ("ip", "netns", "exec", namespace) if namespace else ()
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = _LIMIT_S) -> None:
    """Look at a condition nobody announces until it holds. Raises `TimeoutError` that says `what` did not happen."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not in {limit_s:.0f} s")
        time.sleep(_LOOK_S)


class Phone:
    """The phone's Wi-Fi: wpa_supplicant, which makes a P2P group as Android does."""

    _CONTROL = RUN / "phone"

    def __init__(self, arp_ping_ms: int = ARP_PING_MS) -> None:
        """`arp_ping_ms` is how long its DHCP server looks whether an address is free."""
        self._arp_ping_ms = arp_ping_ms

    def boot(self) -> None:
        """Start it, without a group."""
        config = RUN / "phone.conf"
        config.write_text("device_name=phone\n")
        command = ("wpa_supplicant", "-B", "-i", PHONE_WLAN, "-c", config, "-g", self._CONTROL, "-f", RUN / "phone.log")
        run(*command, namespace=PHONE_NAMESPACE)

    def host_group(self, group: Group) -> str:
        """Own `group`, instead of the one before it if there was one. Returns the name of its interface."""
        with Supplicant(self._CONTROL) as supplicant:
            self._leave(supplicant)
            network = self._add_network(supplicant, group)
            supplicant.request(f"{_P2P_DEVICE} P2P_GROUP_ADD persistent={network} freq={group.frequency_mhz}")
            interface = supplicant.wait_for("P2P-GROUP-STARTED").split("P2P-GROUP-STARTED ")[1].split()[0]
        serve_dhcp(PHONE_NAMESPACE, interface, PHONE_ADDRESS, self._arp_ping_ms)
        return interface

    def leave_group(self) -> None:
        """Own no group any more, as a phone that walks away."""
        with Supplicant(self._CONTROL) as supplicant:
            self._leave(supplicant)

    def _leave(self, supplicant: Supplicant) -> None:
        for interface in supplicant.request("INTERFACES").split():
            if interface.startswith(f"p2p-{PHONE_WLAN}-"):
                supplicant.request(f"{_P2P_DEVICE} P2P_GROUP_REMOVE {interface}")
                supplicant.wait_for("P2P-GROUP-REMOVED")
        stop_dhcp(PHONE_NAMESPACE)

    def _add_network(self, supplicant: Supplicant, group: Group) -> str:
        supplicant.request(f"{_P2P_DEVICE} REMOVE_NETWORK all")
        network = supplicant.request(f"{_P2P_DEVICE} ADD_NETWORK")
        values = {
            "ssid": f'"{group.ssid}"',
            "psk": f'"{group.psk}"',
            "mode": "3",  # P2P group owner
            "disabled": "2",  # a persistent group
            "key_mgmt": "WPA-PSK",
            "proto": "RSN",
            "pairwise": "CCMP",
        }
        for name, value in values.items():
            supplicant.request(f"{_P2P_DEVICE} SET_NETWORK {network} {name} {value}")
        return network


def open_house() -> None:
    """Start the access point of the house."""
    config = RUN / "house.conf"
    config.write_text(
        f"interface={HOUSE_WLAN}\nssid={HOUSE_SSID}\nwpa_passphrase={HOUSE_PSK}\n"
        f"hw_mode=g\nchannel={HOUSE_CHANNEL}\nieee80211n=1\nwmm_enabled=1\n"
        f"wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nctrl_interface={RUN}/house\n"
    )
    run("hostapd", "-B", "-f", RUN / "house.log", config, namespace=HOUSE_NAMESPACE)
    serve_dhcp(HOUSE_NAMESPACE, HOUSE_WLAN, HOUSE_ADDRESS)


def serve_dhcp(namespace: str, interface: str, address: str, arp_ping_ms: int = ARP_PING_MS) -> None:
    """Give `interface` its address and lease .50 to .99 of its network; see `Phone` for `arp_ping_ms`."""
    prefix = address.rpartition(".")[0]
    leases, config = RUN / f"{namespace}.leases", RUN / f"{namespace}.dhcp.conf"
    leases.touch()
    config.write_text(
        f"interface {interface}\nstart {prefix}.50\nend {prefix}.99\noption subnet 255.255.255.0\n"
        f"option router {address}\nlease_file {leases}\npidfile {_dhcp_pid(namespace)}\n"
    )
    run("ip", "-n", namespace, "address", "replace", f"{address}/24", "dev", interface)
    run("busybox", "udhcpd", "-S", "-a", str(arp_ping_ms), config, namespace=namespace)


def stop_dhcp(namespace: str) -> None:
    """End the DHCP server of a namespace, if there is one."""
    if (pid_file := _dhcp_pid(namespace)).exists():
        os.kill(int(pid_file.read_text()), 15)
        wait_until(lambda: not pid_file.exists(), "the end of udhcpd")


def _dhcp_pid(namespace: str) -> Path:
    return RUN / f"{namespace}.dhcp.pid"


def set_country(country: str) -> None:
    """Set the regulatory domain, for all radios. `00` allows no group owner on 5 GHz, `US` and `DE` do."""
    run("iw", "reg", "set", country)
    wait_until(lambda: f"country {country}:" in run("iw", "reg", "get"), f"regulatory domain {country}")


def make_radios(channels: int) -> None:
    """Make the three radios. The appliance's can be on that many channels at once."""
    run("modprobe", "mac80211_hwsim", "radios=0")
    with Hwsim() as hwsim:  # in this order, for the names of their interfaces
        hwsim.make(Radio("phone", "02:00:00:00:00:00", channels=2))
        hwsim.make(Radio("appliance", "02:00:00:00:01:00", channels))
        hwsim.make(Radio("house", "02:00:00:00:02:00", types=_ROUTER))
    for namespace, radio in ((PHONE_NAMESPACE, "phone"), (HOUSE_NAMESPACE, "house")):
        run("ip", "netns", "add", namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("iw", "phy", radio, "set", "netns", "name", namespace)
    run("ip", "link", "set", APPLIANCE_WLAN, "up")


def open_phone(group: Group) -> None:
    """Start the phone with a group."""
    phone = Phone()
    phone.boot()
    phone.host_group(group)


def plug_gpio_chip() -> None:
    """Start the GPIO chip, in a process of its own."""
    run("modprobe", "-a", "uhid", "hid_cp2112")
    with (RUN / "gpio.log").open("w") as log:
        command = ["python3", "-m", gpio_chip.__name__]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    wait_until(Path("/dev/gpiochip0").exists, "/dev/gpiochip0")
    _keep_polling(RUN / "gpio.kept")


def _keep_polling(events: Path) -> None:
    """Wait for edges of the last line for ever: the driver's end of waiting is what must not happen.

    When nobody waits any more it sleeps under a spin lock, which now and then is the end of the kernel. When somebody
    begins to wait it takes all lines for low until its first look, and reports edges that never were.
    """
    with events.open("w") as log:
        command = ["gpiomon", "--banner", "--chip=gpiochip0", str(gpio_chip.LINES - 1)]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    wait_until(lambda: events.stat().st_size > 0, "gpiomon's banner")


def make_world(country: str, group: Group, channels: int) -> None:
    """Make all of it, what takes its time side by side."""
    make_radios(channels)
    if country != "00":
        set_country(country)
    with ThreadPoolExecutor() as pool:
        parts: list[Future[Any]] = [
            pool.submit(plug_gpio_chip),
            pool.submit(open_house),
            pool.submit(open_phone, group),
            pool.submit(run, "modprobe", "hci_vhci"),
        ]
        for part in parts:
            part.result()


def main() -> None:
    """Make the world, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--country", default="00")
    parser.add_argument("--channels", type=int, default=2, help="of the appliance's radio, at once")
    parser.add_argument("--ssid", default=USUAL_GROUP.ssid)
    parser.add_argument("--psk", default=USUAL_GROUP.psk)
    parser.add_argument("--frequency-mhz", type=int, default=USUAL_GROUP.frequency_mhz)
    options = parser.parse_args()
    if not MADE.exists():
        make_world(options.country, Group(options.ssid, options.psk, options.frequency_mhz), options.channels)
        MADE.touch()


if __name__ == "__main__":
    main()
