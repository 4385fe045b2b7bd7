"""A station or P2P client on one interface: joins a group, carries EAPOL, takes the keys, measures, leaves.

The law: a connection belongs to our netlink socket, so it ends with the process. Whatever goes wrong while joining
leaves the radio idle again; what goes wrong later reaches everybody who waits here, as one `RadioError`.
"""

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from board import aio
from board.errors import LocalProtocolError
from drivers.errors import RadioError
from drivers.netlink.message import NetlinkError, OverrunError
from drivers.nl80211.codes import REASON_LEAVING
from drivers.nl80211.connection import Connection, State
from drivers.nl80211.constants import CIPHER_CCMP, ETHERTYPE_PAE, Command, KeyType, StaFlag, TimeoutReason
from drivers.nl80211.declarations import Attrs, Event, KeyAttrs, RateAttrs, StationAttrs
from drivers.nl80211.errors import DisconnectedError, JoinTimeoutError
from drivers.nl80211.interfaces import Interface
from drivers.nl80211.radio import Listener, Nl80211
from drivers.nl80211.road import Network, Road, associate_request, authenticate_request, connect_request

JOIN_TIMEOUT_MS: Final = 1_800  # two tries fit into a phone's patience
ACK_TIMEOUT_MS: Final = 500
_AUTHORIZED: Final = (1 << StaFlag.AUTHORIZED).to_bytes(4, "little")


class EapolSocket(Protocol):
    """What carries EAPOL where nl80211 does not."""

    async def read(self) -> tuple[bytes, bytes]:
        """Wait for a frame and return it with the address it came from. Raises `RadioError`."""
        ...

    def write(self, payload: bytes, destination: bytes) -> None:
        """Send a frame. Raises `RadioError`."""

    def close(self) -> None:
        """Stop receiving."""


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """How good a link is. Bit rates are those of the last frame in each direction."""

    signal_dbm: int
    tx_kbit_s: int
    rx_kbit_s: int
    tx_packets: int
    tx_retries: int
    tx_failed: int
    tx_bytes: int
    rx_bytes: int
    beacon_loss: int
    connected_s: int


class Station:
    """Joins from `interface`, which must be up. One connection at a time; `leave` in the end."""

    def __init__(
        self, radio: Nl80211, interface: Interface, road: Road, open_socket: Callable[[Interface], EapolSocket]
    ) -> None:
        """Use `road` of the interface's chip; `open_socket` is called where EAPOL needs a packet socket."""
        self._radio = radio
        self._interface = interface
        self._road = road
        self._open_socket = open_socket
        self._bssid = b""
        self._connection = Connection(b"", road)
        self._moved = aio.Event()
        self._listener: Listener | None = None
        self._socket: EapolSocket | None = None
        self._reading: aio.Task[None] | None = None
        self._is_encrypted = False

    @property
    def state(self) -> State:
        """Where the connection is."""
        return self._connection.state

    @property
    def needs_handshake(self) -> bool:
        """Whether the 4-way handshake is ours to do after `join`; else the link is encrypted already."""
        return not self._road.offloads_handshake

    async def join(self, network: Network, timeout_ms: int = JOIN_TIMEOUT_MS) -> None:
        """Associate with an access point that a scan has just found.

        Raises `RejectedError`, `JoinTimeoutError`, `HandshakeOffloadError`, `DisconnectedError`, `InterfaceGoneError`,
        `NetlinkError`, `RadioError`; nothing is left of the attempt then.
        """
        if self.state not in (State.IDLE, State.LOST):
            raise LocalProtocolError("A station joins one group at a time.")
        try:
            self._prepare(network.bssid)
            await aio.wait_for_ms(self._walk(network), timeout_ms)
        except BaseException as error:
            await self.leave()
            if isinstance(error, aio.TimeoutError):
                raise JoinTimeoutError(TimeoutReason.UNSPECIFIED) from None
            raise

    async def receive_eapol(self) -> bytes:
        """Wait for an EAPOL frame of the access point. Raises what ended the connection."""
        await self._until(lambda: bool(self._connection.frames))
        return self._connection.frames.popleft()

    async def send_eapol(self, frame: bytes) -> bool | None:
        """Send an EAPOL frame. Return whether it was acknowledged, `None` where the driver does not tell."""
        if self._socket:
            self._socket.write(frame, self._bssid)
            return None
        self._connection.sending(frame)
        await self._radio.ask(
            Command.CONTROL_PORT_FRAME,
            Attrs(
                ifindex=self._interface.index,
                mac=self._bssid,
                frame=frame,
                control_port_ethertype=ETHERTYPE_PAE,
                control_port_no_encrypt=not self._is_encrypted,
            ),
        )
        if self._road.tells_ack:
            with suppress(aio.TimeoutError):
                told = self._until(lambda: self._connection.was_acknowledged is not None)
                await aio.wait_for_ms(told, ACK_TIMEOUT_MS)
        return self._connection.was_acknowledged

    async def install_pairwise_key(self, key: bytes) -> None:
        """Give the chip the temporal key. Message 4 must be out before."""
        attrs = KeyAttrs(data=key, idx=0, cipher=CIPHER_CCMP, type=KeyType.PAIRWISE)
        await self._radio.ask(Command.NEW_KEY, Attrs(ifindex=self._interface.index, mac=self._bssid, key=attrs))
        self._is_encrypted = True

    async def install_group_key(self, key: bytes, index: int, sequence: bytes) -> None:
        """Give the chip the group key. `sequence` is the Key RSC of message 3, the lowest byte first."""
        attrs = KeyAttrs(data=key, idx=index, cipher=CIPHER_CCMP, seq=sequence, type=KeyType.GROUP)
        await self._radio.ask(Command.NEW_KEY, Attrs(ifindex=self._interface.index, key=attrs))

    async def authorize(self) -> None:
        """Open the port for traffic, after the keys."""
        request = Attrs(ifindex=self._interface.index, mac=self._bssid, sta_flags2=_AUTHORIZED + _AUTHORIZED)
        await self._radio.ask(Command.SET_STATION, request)

    async def lost(self) -> RadioError:
        """Wait until the connection is lost and return why."""
        await self._until(lambda: self.state is State.LOST)
        assert self._connection.failure
        return self._connection.failure

    async def set_power_save(self, *, enabled: bool) -> None:
        """Let the radio sleep between beacons, or not; where the driver has no choice it stays as it is."""
        try:
            await self._radio.ask(Command.SET_POWER_SAVE, Attrs(ifindex=self._interface.index, ps_state=int(enabled)))
        except NetlinkError as error:
            if error.code != errno.EOPNOTSUPP:
                raise

    async def statistics(self) -> LinkStatistics:
        """Ask how good the link is. Raises `NetlinkError` (ENOENT) where there is none."""
        answers = await self._radio.ask(Command.GET_STATION, Attrs(ifindex=self._interface.index, mac=self._bssid))
        return _statistics(answers[0].sta_info or StationAttrs())

    async def leave(self, reason: int = REASON_LEAVING) -> None:
        """End the connection, if there is one, and forget it. Never fails: the worst case is a dead interface."""
        was = self._connection.state
        self._connection.fail(DisconnectedError(reason, by_peer=False))
        self._moved.set()
        self._stop_listening()
        if was is State.IDLE:
            return
        command = Command.DEAUTHENTICATE if self._road.by_steps else Command.DISCONNECT
        with suppress(RadioError):
            mac = self._bssid if self._road.by_steps else None
            await self._radio.ask(command, Attrs(ifindex=self._interface.index, mac=mac, reason_code=reason))

    async def _walk(self, network: Network) -> None:
        ifindex = self._interface.index
        if self._road.by_steps:
            await self._step(
                State.AUTHENTICATING, Command.AUTHENTICATE, authenticate_request(ifindex, network), State.AUTHENTICATED
            )
            request, command = associate_request(ifindex, network, self._road), Command.ASSOCIATE
        else:
            request, command = connect_request(ifindex, network, self._road), Command.CONNECT
        await self._step(State.CONNECTING, command, request, State.CONNECTED)

    async def _step(self, during: State, command: Command, request: Attrs, until: State) -> None:
        self._connection.begin(during)
        await self._radio.ask(command, request)
        await self._until(lambda: self.state is until)

    async def _until(self, has_come: Callable[[], bool]) -> None:
        """Wait for something that an event brings. Raises what ended the connection before."""
        while not has_come():
            if self._connection.failure:
                raise self._connection.failure
            self._moved.clear()
            await self._moved.wait()

    def _prepare(self, bssid: bytes) -> None:
        self._stop_listening()
        self._bssid = bssid
        self._is_encrypted = False
        self._connection = Connection(bssid, self._road)
        self._listener = self._radio.listen(self._interface.index, self._happened, self._events_were_lost)
        if self.needs_handshake and not self._road.has_control_port:
            self._socket = self._open_socket(self._interface)
            self._reading = aio.create_task(self._read(self._socket))

    def _stop_listening(self) -> None:
        if self._listener:
            self._listener.close()
        if self._reading:
            self._reading.cancel()
        if self._socket:
            self._socket.close()
        self._listener = self._reading = self._socket = None

    async def _read(self, socket: EapolSocket) -> None:
        try:
            while True:
                frame, source = await socket.read()
                self._connection.eapol_came(source, frame)
                self._moved.set()
        except RadioError as error:
            await self._check()  # by its answer the events have come that tell the cause
            self._fail(error)

    def _happened(self, event: Event) -> None:
        self._connection.happened(event)
        self._moved.set()

    def _events_were_lost(self) -> None:
        """Ask whether the connection is still there; while joining begin anew, as any step may have been told."""
        if self.state is State.CONNECTED:
            aio.create_task(self._check())
        else:
            self._fail(OverrunError("The kernel's events came faster than they were read."))

    async def _check(self) -> None:
        try:
            await self.statistics()
        except NetlinkError:
            self._fail(DisconnectedError(0, by_peer=False))
        except RadioError as error:
            self._fail(error)

    def _fail(self, failure: RadioError) -> None:
        self._connection.fail(failure)
        self._moved.set()


def _statistics(info: StationAttrs) -> LinkStatistics:
    return LinkStatistics(
        signal_dbm=info.signal_avg or info.signal or 0,
        tx_kbit_s=_kbit_s(info.tx_bitrate),
        rx_kbit_s=_kbit_s(info.rx_bitrate),
        tx_packets=info.tx_packets or 0,
        tx_retries=info.tx_retries or 0,
        tx_failed=info.tx_failed or 0,
        tx_bytes=info.tx_bytes64 or 0,
        rx_bytes=info.rx_bytes64 or 0,
        beacon_loss=info.beacon_loss or 0,
        connected_s=info.connected_time_s or 0,
    )


def _kbit_s(rate: RateAttrs | None) -> int:
    return 100 * (rate.bitrate32 or rate.bitrate or 0) if rate else 0
