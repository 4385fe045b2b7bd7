"""Other access points than the phone's: hostapd, each on a radio and in a namespace of its own, gone after the test."""

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.lab.inside.hwsim import Hwsim, InterfaceType, Radio
from tests.lab.inside.supplicant import Supplicant
from tests.lab.inside.world import PHONE_ADDRESS, RUN, Group, run, serve_dhcp, stop_dhcp, wait_until

GROUP = Group("DIRECT-bd", "badday123", 2437)
_CHANNELS = {2412: 1, 2437: 6, 2462: 11}
_NUMBERS = count(1)
_CLONE_NEWNET = 0x4000_0000
_ROOT_NAMESPACE = "1"  # that of process 1

Config = Mapping[str, object]

OPEN: Config = {"wpa": 0}
WPA2: Config = {"wpa": 2, "wpa_key_mgmt": "WPA-PSK", "rsn_pairwise": "CCMP"}


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One that runs: where its interface is, what it is called there, and what it says."""

    namespace: str
    interface: str
    bssid: str
    log: Path

    def request(self, command: str) -> str:
        """Ask hostapd."""
        with Supplicant(RUN / self.namespace / self.interface) as hostapd:
            return hostapd.request(command)

    def has_said(self, words: str, times: int = 1) -> bool:
        """Whether `words` are in its log that often."""
        return self.log.read_text().count(words) >= times

    def drop_everybody(self) -> None:
        """Deauthenticate all stations."""
        self.request("DEAUTHENTICATE ff:ff:ff:ff:ff:ff")

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Open a socket there. Only the thread that is made for it goes."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_socket_in, self.namespace, family, kind, protocol).result()


@contextmanager
def access_point(
    config: Config = WPA2, group: Group = GROUP, address: str | None = PHONE_ADDRESS, signal_dbm: int = -30
) -> Iterator[AccessPoint]:
    """Have one with `config` beside what every one needs; it serves DHCP as `address`, if there is one."""
    number = next(_NUMBERS)
    namespace, bssid = f"ap{number}", f"02:00:00:00:03:{number:02x}"
    with _radio(namespace, bssid) as interface:
        run("iw", "dev", interface, "set", "txpower", "fixed", str((signal_dbm + 50) * 100), namespace=namespace)
        with _hostapd(AccessPoint(namespace, interface, bssid, RUN / f"{namespace}.log"), group, config) as running:
            if address:
                serve_dhcp(namespace, interface, address)
            yield running
            stop_dhcp(namespace)


@contextmanager
def _radio(namespace: str, address: str) -> Iterator[str]:
    """Have a radio in a namespace; yield the name of its interface."""
    run("ip", "netns", "add", namespace)
    with Hwsim() as hwsim:
        radio = hwsim.make(Radio(namespace, address, types=frozenset({InterfaceType.STATION, InterfaceType.AP})))
        (interface,) = os.listdir(f"/sys/class/ieee80211/{namespace}/device/net")
        run("iw", "phy", namespace, "set", "netns", "name", namespace)
        try:
            yield interface
        finally:
            run("iw", "phy", namespace, "set", "netns", _ROOT_NAMESPACE, namespace=namespace)
            hwsim.remove(radio)
            run("ip", "netns", "delete", namespace)


@contextmanager
def _hostapd(made: AccessPoint, group: Group, config: Config) -> Iterator[AccessPoint]:
    file = RUN / f"{made.namespace}.conf"
    usual = {
        "interface": made.interface,
        "ssid": group.ssid,
        "hw_mode": "g",
        "channel": _CHANNELS[group.frequency_mhz],
        "ctrl_interface": RUN / made.namespace,
        "wmm_enabled": 1,
    }
    secret = {"wpa_passphrase": group.psk} if config.get("wpa") else {}
    lines = {**usual, **secret, **config}
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    command = ["ip", "netns", "exec", made.namespace, "hostapd", str(file)]
    with made.log.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: made.has_said("AP-ENABLED"), "hostapd")
            yield made
        finally:
            process.terminate()


def _socket_in(namespace: str, family: int, kind: int, protocol: int) -> socket.socket:
    with Path(f"/run/netns/{namespace}").open("rb") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"the way into {namespace}")
    return socket.socket(family, kind, protocol)
