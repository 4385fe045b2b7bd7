"""Virtual interfaces: which there are, what a link needs beside them, making and taking away.

The law: every interface of ours belongs to our netlink socket, so the kernel destroys it when the process ends,
however it ends. The names begin with `ferry`; what bears that name when Ferry starts is of a run that died.
"""

import asyncio
import errno
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from board import aio
from board.errors import LocalProtocolError
from drivers.errors import RadioError
from drivers.netlink.message import NetlinkError
from drivers.nl80211.capabilities import Occupant, Wiphy
from drivers.nl80211.constants import Command, InterfaceType
from drivers.nl80211.declarations import Attrs
from drivers.nl80211.errors import NoRoomError
from drivers.nl80211.radio import Nl80211

ResultT = TypeVar("ResultT")

NAME_PREFIX: Final = "ferry"
_ADDRESS_BYTES: Final = 6
_LOCALLY_ADMINISTERED: Final = 0x02
_GROUP: Final = 0x01


@dataclass(frozen=True, slots=True)
class Interface:
    """A virtual interface. A P2P device has neither index (0) nor name; `wdev` names every one."""

    wdev: int
    index: int
    name: str
    type: InterfaceType
    wiphy: int
    address: bytes
    frequency_mhz: int | None

    @property
    def occupant(self) -> Occupant:
        """What it takes of the chip."""
        return Occupant(self.type, self.frequency_mhz)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a link gets its interface: of which type, and whether a P2P device must be made first."""

    type: InterfaceType
    makes_p2p_device: bool


def local_address(entropy: bytes) -> bytes:
    """Make a locally administered individual address of six random bytes (IEEE 802-2014, 8.4)."""
    if len(entropy) != _ADDRESS_BYTES:
        raise LocalProtocolError("An address takes six random bytes.")
    return bytes((entropy[0] & ~_GROUP | _LOCALLY_ADMINISTERED,)) + entropy[1:]


def plan(wiphy: Wiphy, existing: Sequence[Interface], frequency_mhz: int | None) -> Plan:
    """Choose how to join a group beside the existing interfaces: as a station, else as a P2P client under a P2P device.

    Raises `NoRoomError` with the chip's reason.
    """
    taken = [each.occupant for each in existing if each.wiphy == wiphy.index]
    as_station = wiphy.refusal(taken, [Occupant(InterfaceType.STATION, frequency_mhz)])
    if as_station is None:
        return Plan(InterfaceType.STATION, makes_p2p_device=False)
    client = Occupant(InterfaceType.P2P_CLIENT, frequency_mhz)
    has_device = any(each.type == InterfaceType.P2P_DEVICE for each in taken)
    wanted = [client] if has_device else [Occupant(InterfaceType.P2P_DEVICE), client]
    as_client = wiphy.refusal(taken, wanted)
    if as_client is None:
        return Plan(InterfaceType.P2P_CLIENT, makes_p2p_device=not has_device)
    has_p2p = all(each.type in wiphy.interface_types for each in wanted)
    raise NoRoomError(f"{as_client if has_p2p else as_station}.")


async def interfaces(radio: Nl80211) -> list[Interface]:
    """Ask for all interfaces of all radios. Raises `RadioError`."""
    return [_interface(each) for each in await radio.dump(Command.GET_INTERFACE, Attrs())]


async def create(radio: Nl80211, wiphy: int, kind: InterfaceType, address: bytes) -> Interface:
    """Make an interface that lives as long as our socket. Some drivers choose another address: see the answer.

    It is down: rtnetlink brings it up. A P2P device has been started.
    """
    taken = {each.name for each in await interfaces(radio)}
    name = next(name for number in range(len(taken) + 1) if (name := f"{NAME_PREFIX}{number}") not in taken)
    request = Attrs(wiphy=wiphy, ifname=name, iftype=kind, mac=address, socket_owner=True)
    made = await _made_or_unmade(radio, request)
    if kind == InterfaceType.P2P_DEVICE:
        await _undone_by(radio, [made], start_p2p_device(radio, made))
    return made


async def _made_or_unmade(radio: Nl80211, request: Attrs) -> Interface:
    """Make an interface. The kernel does it even if our caller is cancelled meanwhile: then it is taken away again."""
    asking = aio.create_task(radio.ask(Command.NEW_INTERFACE, request))
    try:
        return _interface((await asyncio.shield(asking))[0])
    except aio.CancelledError:
        with suppress(RadioError):
            await destroy(radio, _interface((await asking)[0]))
        raise


async def start_p2p_device(radio: Nl80211, device: Interface) -> None:
    """Start a P2P device, without which some chips make no P2P client. Does nothing where it runs."""
    await radio.ask(Command.START_P2P_DEVICE, Attrs(wdev=device.wdev))


async def create_for_link(radio: Nl80211, wiphy: Wiphy, way: Plan, entropy: Sequence[bytes]) -> list[Interface]:
    """Carry out a plan and return what was made, the link's interface last. `entropy` is two times six bytes.

    A half-done plan is undone. Raises `RadioError`.
    """
    made: list[Interface] = []
    if way.type == InterfaceType.P2P_CLIENT:
        made = await _running_p2p_device(radio, wiphy, way, local_address(entropy[0]))
    link = await _undone_by(radio, made, create(radio, wiphy.index, way.type, local_address(entropy[1])))
    return [*made, link]


async def _undone_by(radio: Nl80211, made: Sequence[Interface], step: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Do the next step, and take away what was made for it if it fails."""
    try:
        return await step
    except BaseException:
        for each in made:
            await destroy(radio, each)
        raise


async def _running_p2p_device(radio: Nl80211, wiphy: Wiphy, way: Plan, address: bytes) -> list[Interface]:
    """Have a P2P device run, and return it if it is of our making."""
    if way.makes_p2p_device:
        return [await create(radio, wiphy.index, InterfaceType.P2P_DEVICE, address)]
    for each in await interfaces(radio):
        if each.wiphy == wiphy.index and each.type == InterfaceType.P2P_DEVICE:
            await start_p2p_device(radio, each)
    return []


async def destroy(radio: Nl80211, interface: Interface) -> None:
    """Take an interface away; that it is gone already is as good."""
    try:
        await radio.ask(Command.DEL_INTERFACE, Attrs(wdev=interface.wdev))
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise


async def sweep(radio: Nl80211) -> list[str]:
    """Take away what a run that died has left, and return the names. Call it before making any."""
    stale = [each for each in await interfaces(radio) if _is_ours(each.name)]
    for each in stale:
        await destroy(radio, each)
    return [each.name for each in stale]


def _is_ours(name: str) -> bool:
    return name.startswith(NAME_PREFIX) and name.removeprefix(NAME_PREFIX).isdecimal()


def _interface(attrs: Attrs) -> Interface:
    return Interface(
        attrs.wdev or 0,
        attrs.ifindex or 0,
        attrs.ifname or "",
        InterfaceType(attrs.iftype or 0),
        attrs.wiphy or 0,
        attrs.mac or b"",
        attrs.wiphy_freq,
    )
