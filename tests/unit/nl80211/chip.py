"""Fake chips behind a fake netlink socket, in bytes: what hwsim shows, and the FullMAC of the boards (brcmfmac).

The FullMAC has CONNECT only, at most one station, one P2P device and one P2P client or owner, makes a P2P client
under a started P2P device only, and no control port over nl80211; some of its firmware does the handshake itself.
The checks and their errors are those of the kernel (net/wireless/nl80211.c) and of the driver.
"""

import asyncio
import errno
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

from drivers.errors import RadioError
from drivers.netlink.attributes import build, join, parse
from drivers.netlink.channel import Netlink
from drivers.netlink.generic import generic_body, split_generic
from drivers.netlink.message import Flag, Message, NetlinkError, split_messages
from drivers.nl80211.capabilities import Combination, Limit, Occupant, fits
from drivers.nl80211.constants import Command, ExtFeature, InterfaceType, StaFlag
from drivers.nl80211.declarations import (
    Attrs,
    BandAttrs,
    BssAttrs,
    CombinationAttrs,
    FrequencyAttrs,
    LimitAttrs,
    RateAttrs,
    RegRuleAttrs,
    StationAttrs,
    WiphyAttrs,
)
from tests.unit.nl80211.access_point import AccessPoint

RECORDED = json.loads((Path(__file__).parents[2] / "vectors/wifi.json").read_text())
WIPHY = 1
HOME_INDEX = 4
HOME_ADDRESS = bytes.fromhex("dca632000001")
FAMILY_ID = 0x1C
_GENL_CTRL = 0x10
GROUPS = {"config": 3, "scan": 4, "regulatory": 5, "mlme": 6}
_AUTHENTICATION, _ASSOCIATION_RESPONSE, _DEAUTHENTICATION = 0xB0, 0x10, 0xC0
_AUTHENTICATION_TIMED_OUT = 16
_SCAN_MS = 60
_DATABASE_S = 0.01
_LINKS = (InterfaceType.STATION, InterfaceType.P2P_CLIENT)

STATION, DEVICE = InterfaceType.STATION, InterfaceType.P2P_DEVICE
CLIENT, OWNER, AP = InterfaceType.P2P_CLIENT, InterfaceType.P2P_GO, InterfaceType.AP
# As `iw phy` shows them on a Raspberry Pi 4.
FULLMAC_COMBINATIONS = (
    Combination(
        (Limit(1, frozenset({STATION})), Limit(1, frozenset({DEVICE})), Limit(1, frozenset({CLIENT, OWNER}))), 3, 2
    ),
    Combination(tuple(Limit(1, frozenset({each})) for each in (STATION, AP, CLIENT, DEVICE)), 4, 1),
)
_FULLMAC_COMMANDS = (
    *(Command.NEW_INTERFACE, Command.NEW_KEY, Command.CONNECT, Command.DISCONNECT),
    Command.START_P2P_DEVICE,
)


class Kind(Enum):
    """Which chip is played."""

    SOFTMAC = auto()
    FULLMAC = auto()
    FULLMAC_OFFLOAD = auto()


@dataclass
class FakeInterface:
    """A virtual interface. `owner` is the socket that it dies with."""

    wdev: int
    index: int
    name: str
    type: InterfaceType
    address: bytes
    owner: "ChipNetlink | None" = None
    is_up: bool = False
    authenticated: AccessPoint | None = None
    associated: AccessPoint | None = None
    connection_owner: "ChipNetlink | None" = None
    socket: "FakeEapolSocket | None" = None
    has_control_port: bool = False
    keys: dict[tuple[bool, int], bytes] = field(default_factory=dict)
    is_authorized: bool = False
    power_save: bool = True


@dataclass
class Chip:
    """A radio, its driver and its kernel. Tests set the air and read what the driver was told."""

    kind: Kind = Kind.SOFTMAC
    air: list[AccessPoint] = field(default_factory=list)
    country: str = "00"
    known_countries: tuple[str, ...] = ("00", "DE")
    home_frequency_mhz: int | None = 2412
    scan_ends: bool = True
    events_to_lose: int = 0
    refuses_clients: bool = False
    foreign_scan: bool = False
    asked: list[tuple[Command, Attrs]] = field(default_factory=list)
    interfaces: dict[int, FakeInterface] = field(default_factory=dict)
    netlinks: list["ChipNetlink"] = field(default_factory=list)
    refused: dict[Command, int] = field(default_factory=dict)
    now_ms: int = 1_000_000
    _table: dict[bytes, tuple[AccessPoint, int]] = field(default_factory=dict)
    _scanning: int = 0
    _next: int = HOME_INDEX + 1

    def __post_init__(self) -> None:
        self.interfaces[1] = FakeInterface(1, HOME_INDEX, "wlan0", STATION, HOME_ADDRESS, is_up=True)

    @property
    def is_softmac(self) -> bool:
        return self.kind is Kind.SOFTMAC

    # What happens around the chip.

    def interface(self, name: str) -> FakeInterface:
        """Find one by name."""
        return next(each for each in self.interfaces.values() if each.name == name)

    def names(self) -> set[str]:
        """Names of all that are there."""
        return {each.name for each in self.interfaces.values() if each.name}

    def take_away(self, name: str) -> None:
        """Another program deletes an interface."""
        self._remove(self.interface(name))

    def end_scans(self) -> None:
        """The scan of another program ends."""
        self.foreign_scan = False
        self._tell(Command.NEW_SCAN_RESULTS, Attrs(wiphy=WIPHY, ifindex=HOME_INDEX))

    def abort_scan(self) -> None:
        """The driver gives up the scan that runs."""
        index, self._scanning = self._scanning, 0
        self._tell(Command.SCAN_ABORTED, Attrs(wiphy=WIPHY, ifindex=index))

    def closed(self, netlink: "ChipNetlink") -> None:
        """A socket is closed, by its process or with it."""
        for each in list(self.interfaces.values()):
            if each.connection_owner is netlink:
                self._disconnect(each, 3, by_ap=False)
            if each.owner is netlink:
                self._remove(each)

    # Requests.

    def request(self, netlink: "ChipNetlink", command: Command, attributes: bytes) -> list[bytes]:
        """Answer one request with attributes. Raises `NetlinkError`."""
        attrs = parse(Attrs, attributes)
        self.asked.append((command, attrs))
        if command in self.refused:
            raise NetlinkError(self.refused[command])
        if command is Command.GET_WIPHY:
            return self._wiphy()
        handler: Callable[[ChipNetlink, Attrs], list[Attrs]] = getattr(self, f"_on_{command.name.lower()}")
        return [build(each) for each in handler(netlink, attrs)]

    def _on_get_interface(self, _: "ChipNetlink", __: Attrs) -> list[Attrs]:
        return [self._told(each) for each in self.interfaces.values()]

    def _on_new_interface(self, netlink: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        kind = InterfaceType(attrs.iftype or 0)
        if not self.is_softmac:
            self._check_fullmac(kind)
        index = 0 if kind is DEVICE else self._next
        made = FakeInterface(
            self._next, index, "" if kind is DEVICE else attrs.ifname or "", kind, attrs.mac or HOME_ADDRESS
        )
        made.owner = netlink if attrs.socket_owner else None
        self._next += 1
        self.interfaces[made.wdev] = made
        self._tell(Command.NEW_INTERFACE, self._told(made))
        return [self._told(made)]

    def _check_fullmac(self, kind: InterfaceType) -> None:
        there = [self._occupant(each) for each in self.interfaces.values()]
        if fits(FULLMAC_COMBINATIONS, there, Occupant(kind)) or (kind is CLIENT and self.refuses_clients):
            raise NetlinkError(errno.EBUSY)
        if kind is CLIENT and not any(each.type is DEVICE and each.is_up for each in self.interfaces.values()):
            raise NetlinkError(errno.EINVAL)

    def _on_del_interface(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        self._remove(self._find(attrs))
        return []

    def _on_start_p2p_device(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        self._find(attrs).is_up = True
        return []

    def _on_get_reg(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        assert attrs.wiphy == WIPHY
        if self.country == "00":
            return [parse(Attrs, _attributes(RECORDED["regulatory"]["messages"][0]))]
        free = RegRuleAttrs(
            flags=0,
            freq_range_start=5_150_000,
            freq_range_end=5_250_000,
            freq_range_max_bw=80_000,
            power_rule_max_eirp=2_000,
        )
        radar = replace(free, flags=1 << 4, freq_range_start=5_250_000, freq_range_end=5_350_000)
        low = replace(free, freq_range_start=2_400_000, freq_range_end=2_483_500, freq_range_max_bw=40_000)
        return [Attrs(reg_alpha2=self.country, reg_rules=(low, free, radar))]

    def _on_req_set_reg(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        if attrs.reg_alpha2 in self.known_countries and attrs.reg_alpha2 != self.country:
            asyncio.get_running_loop().call_later(_DATABASE_S, self.country_changes, attrs.reg_alpha2)
        return []

    def country_changes(self, country: str) -> None:
        """The kernel has read the rules of a country, for whoever asked."""
        self.country = country
        self._tell(Command.REG_CHANGE, Attrs(reg_alpha2=country))

    def _on_trigger_scan(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        interface = self._running(attrs)
        if self._scanning or self.foreign_scan:
            raise NetlinkError(errno.EBUSY)
        assert attrs.scan_supp_rates == {0: bytes.fromhex("0c1218243048606c")}
        self._scanning = interface.index
        self.now_ms += _SCAN_MS
        for each in self.air:
            if each.ssid in (attrs.scan_ssids or ()) and each.frequency_mhz in (
                attrs.scan_frequencies or (each.frequency_mhz,)
            ):
                self._table[each.bssid] = (each, self.now_ms)
        if self.scan_ends:
            asyncio.get_running_loop().call_soon(self.end_our_scan)
        return []

    def end_our_scan(self) -> None:
        """The scan that runs comes to its end."""
        self.now_ms += _SCAN_MS
        index, self._scanning = self._scanning, 0
        self._tell(Command.NEW_SCAN_RESULTS, Attrs(wiphy=WIPHY, ifindex=index))

    def _on_abort_scan(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        self._find(attrs)
        if self._scanning:
            asyncio.get_running_loop().call_soon(self.abort_scan)
        return []

    def _on_get_scan(self, _: "ChipNetlink", __: Attrs) -> list[Attrs]:
        old = AccessPoint(b"heard-before", bssid=bytes.fromhex("060000000099"))
        heard = [_bss(each, seen_ms_ago=self.now_ms - when_ms) for each, when_ms in self._table.values()]
        return [Attrs(bss=each) for each in (*heard, _bss(old, seen_ms_ago=20_000))]

    def _on_authenticate(self, __: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        if not self.is_softmac:
            raise NetlinkError(errno.EOPNOTSUPP)
        interface = self._running(attrs)
        peer, _ = self._table.get(attrs.mac or b"", (None, 0))
        if peer is None or peer.ssid != attrs.ssid:
            raise NetlinkError(errno.ENOENT)
        if peer not in self.air or peer.is_silent:
            self._tell_of(interface, Command.AUTHENTICATE, Attrs(timed_out=True, mac=peer.bssid))
            return []
        interface.authenticated = peer
        self._tell_of(
            interface, Command.AUTHENTICATE, Attrs(frame=_frame(_AUTHENTICATION, peer, bytes((0, 0, 2, 0, 0, 0))))
        )
        return []

    def _on_associate(self, netlink: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        interface = self._running(attrs)
        peer = interface.authenticated
        if peer is None or peer.bssid != attrs.mac:
            raise NetlinkError(errno.ENOTCONN)
        self._check_crypto(attrs)
        body = bytes((0x11, 0x04)) + peer.status.to_bytes(2, "little") + bytes((1, 0xC0))
        self._tell_of(interface, Command.ASSOCIATE, Attrs(frame=_frame(_ASSOCIATION_RESPONSE, peer, body)))
        self._verdict(netlink, interface, peer, attrs, peer.status)
        return []

    def _on_connect(self, netlink: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        interface = self._running(attrs)
        if interface.associated:
            raise NetlinkError(errno.EALREADY)
        self._check_crypto(attrs)
        peer = next((each for each in self.air if (each.bssid, each.ssid) == (attrs.mac, attrs.ssid)), None)
        if peer is None or peer.is_silent:
            self._verdict(netlink, interface, AccessPoint(bssid=attrs.mac or b""), attrs, _AUTHENTICATION_TIMED_OUT)
        elif attrs.pmk and attrs.pmk != peer.pmk:
            self._verdict(netlink, interface, peer, attrs, _AUTHENTICATION_TIMED_OUT)
        else:
            self._verdict(netlink, interface, peer, attrs, peer.status)
        return []

    def _check_crypto(self, attrs: Attrs) -> None:
        if attrs.control_port_over_nl80211 and not attrs.socket_owner:
            raise NetlinkError(errno.EINVAL)
        if attrs.control_port_over_nl80211 and not self.is_softmac:
            raise NetlinkError(errno.EOPNOTSUPP)
        if attrs.pmk and self.kind is not Kind.FULLMAC_OFFLOAD:
            raise NetlinkError(errno.EINVAL)
        assert attrs.privacy
        assert (attrs.ie or b"").startswith(b"\x30")

    def _verdict(
        self, netlink: "ChipNetlink", interface: FakeInterface, peer: AccessPoint, attrs: Attrs, status: int
    ) -> None:
        if status == 0:
            interface.associated = peer
            interface.connection_owner = netlink if attrs.socket_owner else None
            interface.has_control_port = bool(attrs.control_port_over_nl80211)
            peer.send_eapol = lambda frame: self._eapol_to(interface, peer, frame)
            peer.deauthenticate = lambda reason: self._disconnect(interface, reason, by_ap=True)
            if attrs.pmk:
                peer.is_secured = True
            else:
                peer.associated(interface.address)  # message 1 overtakes the verdict, as the kernel lets it
        self._tell_of(interface, Command.CONNECT, Attrs(mac=peer.bssid, status_code=status))

    def _on_deauthenticate(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        if not self.is_softmac:
            raise NetlinkError(errno.EOPNOTSUPP)
        interface = self._find(attrs)
        if not interface.associated and not interface.authenticated:
            raise NetlinkError(errno.ENOTCONN)
        self._disconnect(interface, attrs.reason_code or 0, by_ap=False)
        return []

    def _on_disconnect(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        self._disconnect(self._find(attrs), attrs.reason_code or 0, by_ap=False)
        return []

    def _on_control_port_frame(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        interface = self._find(attrs)
        if not self.is_softmac or not interface.has_control_port:
            raise NetlinkError(errno.EOPNOTSUPP)
        if not (attrs.frame and attrs.mac and attrs.control_port_ethertype == 0x888E):
            raise NetlinkError(errno.EINVAL)
        if interface.associated is None:
            raise NetlinkError(errno.ENOTCONN)
        assert attrs.control_port_no_encrypt is (None if interface.keys else True)
        interface.associated.eapol_came(attrs.frame)
        status = Attrs(frame=bytes(14) + attrs.frame, ack=True)
        self._tell_of(interface, Command.CONTROL_PORT_FRAME_TX_STATUS, status)
        return []

    def _on_new_key(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        interface = self._find(attrs)
        if interface.associated is None:
            raise NetlinkError(errno.ENOLINK)
        assert attrs.key
        assert attrs.key.data is not None
        is_pairwise = attrs.key.type == 1
        assert (attrs.mac == interface.associated.bssid) if is_pairwise else (attrs.mac is None)
        interface.keys[is_pairwise, attrs.key.idx or 0] = attrs.key.data
        return []

    def _on_set_station(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        interface = self._find(attrs)
        mask = set_ = (1 << StaFlag.AUTHORIZED).to_bytes(4, "little")
        interface.is_authorized = attrs.sta_flags2 == mask + set_
        return []

    def _on_get_station(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        interface = self._find(attrs)
        if interface.associated is None or interface.associated.bssid != attrs.mac:
            raise NetlinkError(errno.ENOENT)
        info = StationAttrs(
            signal=-42,
            tx_bitrate=RateAttrs(bitrate=540),
            rx_bitrate=RateAttrs(bitrate=65535, bitrate32=70000),
            tx_packets=10,
            tx_retries=3,
            tx_failed=1,
            rx_bytes64=1 << 33,
            tx_bytes64=2000,
            beacon_loss=2,
            connected_time_s=5,
        )
        return [Attrs(ifindex=interface.index, mac=attrs.mac, sta_info=info)]

    def _on_set_power_save(self, _: "ChipNetlink", attrs: Attrs) -> list[Attrs]:
        self._find(attrs).power_save = bool(attrs.ps_state)
        return []

    # Inside.

    def _wiphy(self) -> list[bytes]:
        if self.is_softmac:
            return [_attributes(each) for each in RECORDED["wiphy_dump"]["messages"] if not _is_control(each)]
        return [build(replace(each, wiphy=WIPHY)) for each in self._fullmac_pieces()]

    def _fullmac_pieces(self) -> list[WiphyAttrs]:
        limits = tuple(
            CombinationAttrs(
                limits=tuple(LimitAttrs(max=limit.max, types=limit.types) for limit in each.limits),
                maxnum=each.max_interfaces,
                num_channels=each.channels,
            )
            for each in FULLMAC_COMBINATIONS
        )
        features = {ExtFeature.HANDSHAKE_STA_PSK} if self.kind is Kind.FULLMAC_OFFLOAD else set()
        return [
            WiphyAttrs(wiphy_name="phy1", max_num_scan_ssids=10, cipher_suites=(0x000FAC04, 0x000FAC02)),
            WiphyAttrs(supported_iftypes=frozenset({STATION, AP, CLIENT, OWNER, DEVICE})),
            WiphyAttrs(wiphy_bands={0: BandAttrs(freqs={0: FrequencyAttrs(freq=2412, max_tx_power=2000)})}),
            WiphyAttrs(wiphy_bands={0: BandAttrs(freqs={5: FrequencyAttrs(freq=2437, max_tx_power=2000)})}),
            WiphyAttrs(wiphy_bands={1: BandAttrs(freqs={0: FrequencyAttrs(freq=5180, no_ir=True, max_tx_power=2000)})}),
            WiphyAttrs(supported_commands=_FULLMAC_COMMANDS, interface_combinations=limits),
            WiphyAttrs(ext_features=sum(1 << each for each in features).to_bytes(7, "little")),
        ]

    def _told(self, interface: FakeInterface) -> Attrs:
        return Attrs(
            wiphy=WIPHY,
            ifindex=interface.index or None,
            ifname=interface.name or None,
            iftype=interface.type,
            mac=interface.address,
            wdev=interface.wdev,
            wiphy_freq=self._occupant(interface).frequency_mhz,
        )

    def _occupant(self, interface: FakeInterface) -> Occupant:
        if interface.index == HOME_INDEX:
            return Occupant(STATION, self.home_frequency_mhz)
        return Occupant(interface.type, interface.associated.frequency_mhz if interface.associated else None)

    def _find(self, attrs: Attrs) -> FakeInterface:
        for each in self.interfaces.values():
            if each.wdev == attrs.wdev or (attrs.ifindex and each.index == attrs.ifindex):
                return each
        raise NetlinkError(errno.ENODEV)

    def _running(self, attrs: Attrs) -> FakeInterface:
        interface = self._find(attrs)
        if interface.type not in _LINKS:
            raise NetlinkError(errno.EOPNOTSUPP)
        if not interface.is_up:
            raise NetlinkError(errno.ENETDOWN)
        return interface

    def _remove(self, interface: FakeInterface) -> None:
        self._disconnect(interface, 3, by_ap=False)
        del self.interfaces[interface.wdev]
        self._tell(Command.DEL_INTERFACE, Attrs(wiphy=WIPHY, ifindex=interface.index or None, wdev=interface.wdev))

    def _disconnect(self, interface: FakeInterface, reason: int, *, by_ap: bool) -> None:
        peer, interface.associated, interface.authenticated = interface.associated, None, None
        interface.keys.clear()
        interface.is_authorized = False
        if peer is None:
            return
        peer.left()
        if self.is_softmac:
            body = reason.to_bytes(2, "little")
            sender = peer if by_ap else AccessPoint(bssid=interface.address)
            self._tell_of(interface, Command.DEAUTHENTICATE, Attrs(frame=_frame(_DEAUTHENTICATION, sender, body)))
        self._tell_of(interface, Command.DISCONNECT, Attrs(reason_code=reason, disconnected_by_ap=by_ap))

    def _eapol_to(self, interface: FakeInterface, peer: AccessPoint, frame: bytes) -> None:
        if interface.has_control_port:
            told = Attrs(mac=peer.bssid, frame=frame, control_port_ethertype=0x888E)
            self._tell_of(interface, Command.CONTROL_PORT_FRAME, told)
        elif interface.socket:
            interface.socket.deliver(frame, peer.bssid)

    def _tell_of(self, interface: FakeInterface, command: Command, attrs: Attrs) -> None:
        self._tell(command, replace(attrs, wiphy=WIPHY, ifindex=interface.index))

    def _tell(self, command: Command, attrs: Attrs) -> None:
        body = generic_body(command, 1, build(attrs))
        loop = asyncio.get_running_loop()
        is_lost, self.events_to_lose = self.events_to_lose > 0, max(0, self.events_to_lose - 1)
        for each in self.netlinks:
            if is_lost:
                loop.call_soon(each.on_overrun)
            else:
                loop.call_soon(each.deliver, Message(FAMILY_ID, 0, 0, 0, body))


class ChipNetlink(Netlink):
    """The netlink socket of a machine with one chip; without one there is no family."""

    def __init__(self, chip: Chip | None) -> None:
        """Open it."""
        self._chip = chip
        self._is_closed = False
        self.groups: set[int] = set()
        self.on_event = lambda message: None
        self.on_overrun = lambda: None
        if chip:
            chip.netlinks.append(self)

    def start(self) -> None:
        """There is nothing to read."""

    def join(self, group: int) -> None:
        self.groups.add(group)

    async def ask(self, kind: int, body: bytes, flags: int = 0) -> list[Message]:
        if self._is_closed:
            raise RadioError("The netlink socket is closed.")
        command, attributes = split_generic(body)
        if kind == _GENL_CTRL:
            return [self._family()]
        assert self._chip
        assert bool(flags & Flag.DUMP) is (command in (Command.GET_WIPHY, Command.GET_INTERFACE, Command.GET_SCAN))
        try:
            answers = self._chip.request(self, Command(command), attributes)
        finally:
            await asyncio.sleep(0)  # as with a socket, events that came before the answer are read before it
        return [Message(FAMILY_ID, 0, 1, 1, generic_body(command, 1, each)) for each in answers]

    def deliver(self, message: Message) -> None:
        """An event comes, if one of the groups is joined."""
        if self.groups:
            self.on_event(message)

    def close(self) -> None:
        if not self._is_closed and self._chip:
            self._is_closed = True
            self._chip.netlinks.remove(self)
            self._chip.closed(self)

    def _family(self) -> Message:
        if self._chip is None:
            raise NetlinkError(errno.ENOENT)
        groups = b"".join(
            join(number, join(1, name.encode() + b"\0") + join(2, number.to_bytes(4, "little")))
            for name, number in GROUPS.items()
        )
        attributes = join(1, FAMILY_ID.to_bytes(2, "little")) + join(2, b"nl80211\0") + join(7, groups)
        return Message(_GENL_CTRL, 0, 1, 1, generic_body(1, 2, attributes))


class FakeEapolSocket:
    """A packet socket on one interface of the chip."""

    def __init__(self, interface: FakeInterface) -> None:
        """Open it."""
        self._interface = interface
        self._frames: asyncio.Queue[tuple[bytes, bytes] | RadioError] = asyncio.Queue()
        interface.socket = self

    def deliver(self, frame: bytes, source: bytes) -> None:
        """A frame comes from the air."""
        self._frames.put_nowait((frame, source))

    def fail(self, error: RadioError) -> None:
        """The interface takes and gives no packets any more."""
        self._frames.put_nowait(error)

    async def read(self) -> tuple[bytes, bytes]:
        came = await self._frames.get()
        if isinstance(came, RadioError):
            raise came
        return came

    def write(self, payload: bytes, destination: bytes) -> None:
        peer = self._interface.associated
        assert peer
        assert peer.bssid == destination
        peer.eapol_came(payload)

    def close(self) -> None:
        self._interface.socket = None
        self.fail(RadioError("The socket is closed."))


def _bss(peer: AccessPoint, seen_ms_ago: int) -> BssAttrs:
    return BssAttrs(
        bssid=peer.bssid,
        frequency=peer.frequency_mhz,
        capability=0x0411,
        signal_mbm=peer.signal_mbm,
        seen_ms_ago=seen_ms_ago,
        information_elements=peer.elements,
    )


def _frame(subtype: int, sender: AccessPoint, body: bytes) -> bytes:
    return bytes((subtype, 0, 0, 0)) + bytes(6) + sender.bssid + bytes(6) + bytes(2) + body


def _is_control(message: str) -> bool:
    return next(split_messages(bytes.fromhex(message))).type < FAMILY_ID


def _attributes(message: str) -> bytes:
    return split_generic(next(split_messages(bytes.fromhex(message))).body)[1]
