"""The sender's side of the credential exchange: read the receiver's key, write the way to our group (protocol 3)."""

from typing import Final

from board import aio
from board.errors import FerryError
from drivers.hci.address import Address
from stack.alliance.cipher import KeyPair
from stack.alliance.device_info import SERVICE_UUID, STATUS_UUID, DeviceInfo, parse_device_info
from stack.alliance.link_info import P2P_UUID, LinkInfo, build_link_info
from stack.ble.central import Central, Peer
from stack.ble.connection import ConnectionLostError
from stack.ble.gatt import Property
from stack.ble.gatt_client import FoundCharacteristic

BLE_PHASE_MS: Final = 15_000  # Xiaomi takes up to 4 s to answer one read (alliance protocol, 1)


class NotReceivingError(FerryError):
    """The device has nothing of the alliance to write to."""

    remedy = "Switch receiving on there, and try again."


class ReceiverBusyError(FerryError):
    """The device says that it is busy."""

    remedy = "Wait until its transfer is over, or for a minute; phones stay busy so long after a broken one."


async def introduce_to(central: Central, address: Address, link: LinkInfo, keys: KeyPair) -> DeviceInfo:
    """Connect to the receiver at `address`, introduce ourselves and leave, all within `BLE_PHASE_MS`.

    Raises `ConnectionLostError` when the time is up, or what `introduce` raises.
    """
    try:
        return await aio.wait_for_ms(_visit(central, address, link, keys), BLE_PHASE_MS)
    except aio.TimeoutError:
        raise ConnectionLostError("The device took too long") from None


async def _visit(central: Central, address: Address, link: LinkInfo, keys: KeyPair) -> DeviceInfo:
    peer = await central.connect(address)
    try:
        return await introduce(peer, link, keys)
    finally:
        await peer.disconnect()


async def introduce(peer: Peer, link: LinkInfo, keys: KeyPair) -> DeviceInfo:
    """Read `peer`'s status and write `link`, encrypted under its key; return the status.

    Raises `NotReceivingError`, `ReceiverBusyError`, `RemoteProtocolError`, or what `Peer` raises.
    """
    status, p2p = await _find(peer)
    info = parse_device_info(await peer.read(status))
    if not info.ready:
        raise ReceiverBusyError("The device is busy")
    value = build_link_info(link, keys, info.key)
    if p2p.properties & Property.WRITE_WITHOUT_RESPONSE:  # ZTE declares it, and never answers a request (3.1)
        await peer.write_without_response(p2p, value)
    else:
        await peer.write(p2p, value)
    return info


async def _find(peer: Peer) -> tuple[FoundCharacteristic, FoundCharacteristic]:
    for characteristics in await peer.characteristics(SERVICE_UUID):
        by_uuid = {each.uuid: each for each in characteristics}
        if by_uuid.keys() >= {STATUS_UUID, P2P_UUID}:
            return by_uuid[STATUS_UUID], by_uuid[P2P_UUID]
    raise NotReceivingError("The device does not receive")
