"""The station as phones see it over Bluetooth: its advertisement, its service, and what they do with it."""

from collections.abc import Sequence
from typing import Protocol

from board.errors import RemoteProtocolError
from stack.alliance.advertisement import Advertisement
from stack.alliance.credentials import CredentialExchange, Credentials
from stack.alliance.device_info import SERVICE_UUID, STATUS_UUID
from stack.alliance.link_info import P2P_UUID, LinkInfo
from stack.ble.advertising import Advertising
from stack.ble.att import AttError, ErrorCode
from stack.ble.connection import Connection
from stack.ble.gatt import Characteristic, Property, Service, generic_services
from stack.ble.peripheral import DEFAULT_LIMITS, Limits, Peripheral
from stack.ble.radio import Radio

# What CatShare and Xiaomi declare on both characteristics, whatever they accept (alliance protocol, 3.1).
_DECLARED = Property.READ | Property.WRITE


class Visitors(Protocol):
    """Is told what phones do. `phone` is a phone's address of this moment."""

    def connected(self, phone: str) -> None:
        """A phone is connected."""

    def read(self, phone: str) -> None:
        """It has read the station's status and key."""

    def wrote(self, phone: str, link: LinkInfo) -> None:
        """It has written its link info."""

    def refused(self, phone: str, error: RemoteProtocolError) -> None:
        """It has written something that is no offer."""

    def disconnected(self, phone: str) -> None:
        """It is gone."""


class NoVisitors:
    """Listens to nobody; subclasses pick what they want to hear."""

    def connected(self, phone: str) -> None:
        """See `Visitors`."""

    def read(self, phone: str) -> None:
        """See `Visitors`."""

    def wrote(self, phone: str, link: LinkInfo) -> None:
        """See `Visitors`."""

    def refused(self, phone: str, error: RemoteProtocolError) -> None:
        """See `Visitors`."""

    def disconnected(self, phone: str) -> None:
        """See `Visitors`."""


def make_visible(
    radio: Radio,
    advertisement: Advertisement,
    credentials: Credentials,
    visitors: Visitors,
    interval_ms: int = 100,
    tx_power_dbm: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Peripheral:
    """Return the peripheral that shows `advertisement`; start it to begin.

    `Advertising` explains interval and power, `Limits` who is dropped when.
    """

    def serve(connection: Connection) -> Sequence[Service]:
        phone = str(connection.peer)
        visitors.connected(phone)
        connection.on_closed = lambda: visitors.disconnected(phone)
        service = _alliance_service(CredentialExchange(credentials), phone, visitors, radio)
        return *generic_services(advertisement.name), service

    advertising = Advertising(
        advertisement.advertising_data(), advertisement.scan_response(), radio.address, interval_ms, tx_power_dbm
    )
    return Peripheral(radio, advertising, serve, limits)


def _alliance_service(exchange: CredentialExchange, phone: str, visitors: Visitors, radio: Radio) -> Service:
    def read_status() -> bytes:
        visitors.read(phone)
        return exchange.status()

    def write_link_info(part: bytes) -> None:
        try:
            link = exchange.write(part, radio.now_ms())
        except RemoteProtocolError as error:
            visitors.refused(phone, error)
            raise AttError(ErrorCode.VALUE_NOT_ALLOWED) from error
        if link:
            visitors.wrote(phone, link)

    return Service(
        SERVICE_UUID,
        (
            Characteristic(STATUS_UUID, _DECLARED, read=read_status),
            Characteristic(P2P_UUID, _DECLARED, write=write_link_info),
        ),
    )
