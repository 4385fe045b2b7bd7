"""wpa_supplicant's global control socket over a fake chip, in bytes, as version 2.10 answered in the lab.

It does one thing after the other. Networks are joined at once; what the air says of them is `Chip.air`. It makes an
interface only when its rules are there, and connects only when its settings are made.
"""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drivers.nl80211.constants import InterfaceType
from tests.unit.nl80211.access_point import AccessPoint
from tests.unit.nl80211.chip import Chip, FakeInterface

HOUSE = "wlan0"
RANDOM_ADDRESS = bytes.fromhex("96ef00a0651b")
PAGE = 2
_SCAN_S, _JUST_AFTER_S = 0.5, 0.01
WRONG_KEY = (
    "CTRL-EVENT-DISCONNECTED bssid={} reason=15",
    "WPA: 4-Way Handshake failed - pre-shared key may be incorrect",
    r'CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="a \" reason=NO" auth_failures=1 duration=10 reason=WRONG_KEY',
)


@dataclass
class FakeSupplicant:
    """One daemon. `answers` replaces its answers by command, `silent` holds commands that get none before `wake`.

    One that `forgets` who was heard looks again when it is to join. What belongs to an event comes just after it.
    """

    path: Path
    chip: Chip
    is_guarded: Callable[[str], bool] = lambda name: True
    is_isolated: Callable[[str], bool] = lambda name: True
    answers: dict[str, list[str]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    monitors: set[bytes] = field(default_factory=set)
    names: list[str] = field(default_factory=lambda: ["p2p-dev-wlan0", HOUSE])
    failing_scans: list[str] = field(default_factory=list)
    is_blocked: bool = False
    forgets: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    _scans: int = 0
    _heard: list[AccessPoint] = field(default_factory=list)
    _due: list[tuple[str, str]] = field(default_factory=list)
    _withheld: list[tuple[str | None, str, str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self.path))
        self._life = os.eventfd(0)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def watch(self, process: int) -> int:
        """Return what is readable when this daemon is dead."""
        assert process == os.getpid()
        return os.dup(self._life)

    def die(self) -> None:
        """End as by SIGKILL: the interfaces that it has made belong to its netlink socket."""
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            os.eventfd_write(self._life, 1)
            os.close(self._life)
            for name in {each for each in self.names if each.startswith("ferry")} & self.chip.names():
                self.chip.take_away(name)

    def block(self) -> None:
        """Somebody blocks the radio: rfkill."""
        self.is_blocked = True
        for each in self.chip.interfaces.values():
            each.is_up = False
            if each.associated:
                self._loses(each, "reason=3 locally_generated=1")

    def wake(self) -> None:
        """Do and answer what has waited."""
        self.silent.clear()
        for interface, command, arguments, sender in self._withheld:
            self._socket.sendto(self._answer(interface, command, arguments, sender).encode(), sender)
        self._withheld.clear()

    def tell(self, interface: str, text: str) -> None:
        """Send an event to who has attached."""
        for each in self.monitors:
            self._socket.sendto(f"IFNAME={interface} <3>{text}".encode(), each)

    def _tell_what_is_due(self) -> None:
        due, self._due = self._due, []
        if self._socket.fileno() >= 0:
            for interface, text in due:
                self.tell(interface, text)

    # Requests.

    def _readable(self) -> None:
        request, sender = self._socket.recvfrom(4096)
        self._tell_what_is_due()
        text = request.decode()
        self.asked.append(text)
        found = re.fullmatch(r"(?:IFNAME=(\S+) )?(\w+) ?(.*)", text, re.DOTALL)
        assert found
        interface, command, arguments = found.groups()
        if command in self.silent:
            self._withheld.append((interface, command, arguments, sender))
            return
        self._socket.sendto(self._answer(interface, command, arguments, sender).encode(), sender)

    def _answer(self, interface: str | None, command: str, arguments: str, sender: bytes) -> str:
        if self.answers.get(command):
            return self.answers[command].pop(0)
        if command in ("ATTACH", "DETACH"):
            (self.monitors.add if command == "ATTACH" else self.monitors.discard)(sender)
            return "OK\n"
        if interface is not None and interface not in self.names:
            return "FAIL-NO-IFNAME-MATCH\n"
        handler: Callable[[str, str], str] | None = getattr(self, f"_on_{command.lower()}", None)
        return handler(interface or "", arguments) if handler else "UNKNOWN COMMAND\n"

    def _on_interfaces(self, _: str, __: str) -> str:
        return "".join(f"{each}\n" for each in self.names)

    def _on_interface_add(self, _: str, arguments: str) -> str:
        name, *others = arguments.split("\t")
        assert others == ["", "nl80211", "", "", "", "create", "sta"]
        assert self.is_guarded(name), "it is switched on before its rules are there"
        if self.is_blocked or name in self.names or HOUSE not in self.names:
            return "FAIL\n"
        number = 1 + max(each.index for each in self.chip.interfaces.values())
        made = FakeInterface(number, number, name, InterfaceType.STATION, bytes.fromhex("060000000100"), is_up=True)
        self.chip.interfaces[number] = made
        self.names.insert(0, name)
        return "OK\n"

    def _on_interface_remove(self, _: str, name: str) -> str:
        if name not in self.names:
            return "FAIL\n"
        self.names.remove(name)
        if name in self.chip.names():
            self.chip.take_away(name)
        return "OK\n"

    def _on_status(self, _: str, __: str) -> str:
        state = "INTERFACE_DISABLED" if self.is_blocked else "COMPLETED"
        return f"bssid=02:00:00:00:02:00\nssid=home\nwpa_state={state}\naddress=02:00:00:00:01:00\n"

    def _on_scan(self, name: str, arguments: str) -> str:
        found = re.fullmatch(r"TYPE=ONLY freq=([\d,]+) use_id=1 only_new=1 ssid ([0-9a-f]+)", arguments)
        assert found
        if self.is_blocked:
            return "FAIL\n"
        frequencies_mhz = [int(each) for each in found[1].split(",")]
        found_now = [each for each in self.chip.air if each.frequency_mhz in frequencies_mhz]
        self._heard = []
        self._scans += 1
        self.tell(name, f"CTRL-EVENT-SCAN-STARTED id={self._scans}")
        asyncio.get_running_loop().call_later(_SCAN_S, self._scanned, name, self._scans, found_now)
        self.tell(name, "CTRL-EVENT-SCAN-RESULTS ")  # of another interface on the same chip
        return f"{self._scans}\n"

    def _scanned(self, name: str, number: int, found: list[AccessPoint]) -> None:
        self._heard = found
        if self._socket.fileno() >= 0:
            self.tell("p2p-dev-wlan0", "CTRL-EVENT-SCAN-RESULTS ")
            failure = self.failing_scans.pop(0) if self.failing_scans else None
            self.tell(name, f"CTRL-EVENT-SCAN-FAILED {failure}" if failure else f"CTRL-EVENT-SCAN-RESULTS id={number}")

    def _on_bss(self, _: str, arguments: str) -> str:
        found = re.fullmatch(r"RANGE=(\d+)- MASK=0x800497", arguments)
        assert found
        first = int(found[1])
        return "".join(_entry(first + at, each) for at, each in enumerate(self._heard[first : first + PAGE]))

    def _on_add_network(self, name: str, _: str) -> str:
        self.tell(name, "CTRL-EVENT-NETWORK-ADDED 0")
        return "0\n"

    def _on_remove_network(self, name: str, which: str) -> str:
        assert which == "all"
        interface = self.chip.interface(name)
        if interface.associated:
            self._loses(interface, "reason=3 locally_generated=1")
        self.settings.clear()
        return "OK\n"

    def _on_set_network(self, _: str, arguments: str) -> str:
        number, name, value = arguments.split(" ")
        assert number == "0"
        self.settings[name] = value
        return "OK\n"

    def _on_set(self, name: str, arguments: str) -> str:
        assert arguments == "ps 0"
        self.chip.interface(name).power_save = False
        return "OK\n"

    def _on_select_network(self, name: str, which: str) -> str:
        assert which == "0"
        assert self.is_isolated(name), "it connects before its settings are made"
        interface = self.chip.interface(name)
        assert self.settings.pop("mac_addr") == "1"
        interface.address = RANDOM_ADDRESS
        peer = next((each for each in self.chip.air if self._means(each)), None)
        if peer is None or self.forgets:
            for event in ("NETWORK-NOT-FOUND ", "SCAN-STARTED ", "SCAN-RESULTS "):
                self.tell(name, f"CTRL-EVENT-{event}")
        if peer is None:
            self.tell(name, "CTRL-EVENT-NETWORK-NOT-FOUND ")
        else:
            self.tell(name, f"SME: Trying to authenticate with {peer.bssid.hex(':')} (SSID='CTRL-EVENT-CONNECTED')")
            self._joins(interface, peer)
        return "OK\n"

    def _means(self, peer: AccessPoint) -> bool:
        wanted = [self.settings[each] for each in ("ssid", "bssid", "scan_freq", "freq_list")]
        return wanted == [peer.ssid.hex(), peer.bssid.hex(":"), *[str(peer.frequency_mhz)] * 2]

    def _joins(self, interface: FakeInterface, peer: AccessPoint) -> None:
        bssid = peer.bssid.hex(":")
        if peer.is_silent:
            return
        if peer.status:
            self.tell(interface.name, f"CTRL-EVENT-ASSOC-REJECT bssid={bssid} status_code={peer.status}")
            return
        self.tell(interface.name, f"Associated with {bssid}")
        if self.settings["psk"] != peer.pmk.hex():
            self.tell(interface.name, WRONG_KEY[0].format(bssid))
            self._due = [(interface.name, event) for event in WRONG_KEY[1:]]
            asyncio.get_running_loop().call_later(_JUST_AFTER_S, self._tell_what_is_due)
            return
        interface.associated, interface.is_authorized, peer.is_secured = peer, True, True
        peer.deauthenticate = lambda reason: self._loses(interface, f"reason={reason}")
        self.tell(interface.name, f"CTRL-EVENT-CONNECTED - Connection to {bssid} completed [id=0 id_str=]")

    def _loses(self, interface: FakeInterface, why: str) -> None:
        peer = interface.associated
        assert peer
        interface.associated, interface.is_authorized, peer.is_secured = None, False, False
        self.tell(interface.name, f"CTRL-EVENT-DISCONNECTED bssid={peer.bssid.hex(':')} {why}")


def _entry(number: int, peer: AccessPoint) -> str:
    fields = {
        "id": number,
        "bssid": peer.bssid.hex(":"),
        "freq": peer.frequency_mhz,
        "capabilities": "0x0411",
        "level": peer.signal_mbm // 100,
        "ie": peer.elements.hex(),
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items())
