"""DHCP messages: bytes written out from RFC 2131 and 2132, offers that a station takes or not, broken ones."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.ip.dhcp import (
    CLIENT_PORT,
    SERVER_PORT,
    DhcpError,
    DhcpMessage,
    MessageType,
    Op,
    Option,
    build_dhcp,
    parse_dhcp,
)
from stack.ip.frames import ETHERTYPE_IPV4, parse_datagram, parse_ethernet
from stack.ip.lease import Lease, read_lease
from tests.unit.ip.dhcp_server import CLIENT, MAC, SERVER, XID, saying

COOKIE = bytes.fromhex("63825363")
FIXED = (
    bytes.fromhex(
        "02 01 06 00  3903f326  0007 8000  00000000 c0a8313d c0a83102 00000000  020000000110".replace(" ", "")
    )
    + bytes(10)
    + bytes(64)
    + bytes(128)
    + COOKIE
)
OFFER_OPTIONS = bytes.fromhex("350102 3604c0a83101 330400000e10 0104ffffff00".replace(" ", ""))
OFFER = DhcpMessage(
    Op.REPLY,
    XID,
    MAC,
    {53: b"\x02", 54: SERVER.packed, 51: b"\x00\x00\x0e\x10", 1: b"\xff\xff\xff\x00"},
    secs=7,
    wants_broadcast=True,
    yiaddr=CLIENT,
    siaddr=IPv4Address("192.168.49.2"),
)


def options(data: bytes, *, file: bytes = b"", sname: bytes = b"") -> dict[int, bytes]:
    fixed = FIXED[:44] + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + COOKIE
    return dict(parse_dhcp(fixed + data).options)


def test_an_offer_is_read_and_built() -> None:
    assert parse_dhcp(FIXED + OFFER_OPTIONS + b"\xff") == OFFER
    assert build_dhcp(OFFER) == (FIXED + OFFER_OPTIONS + b"\xff").ljust(300, b"\0")
    assert OFFER.type is MessageType.OFFER
    assert OFFER.address(Option.SERVER_IDENTIFIER) == SERVER
    assert OFFER.seconds(Option.LEASE_TIME) == 3600


def test_the_numbers_are_the_rfcs() -> None:
    """RFC 2131, 4.1; RFC 2132, 3.3, 9.1, 9.6, 9.8."""
    assert (SERVER_PORT, CLIENT_PORT) == (67, 68)
    assert " ".join(each.name for each in MessageType) == "DISCOVER OFFER REQUEST DECLINE ACK NAK RELEASE INFORM"
    assert list(MessageType) == list(range(1, 9))
    assert (Option.SUBNET_MASK, Option.REQUESTED_ADDRESS, Option.PARAMETER_REQUEST_LIST) == (1, 50, 55)


def test_the_broadcast_flag_may_be_clear() -> None:
    plain = replace(OFFER, wants_broadcast=False)
    assert build_dhcp(plain)[10:12] == b"\0\0"
    assert parse_dhcp(build_dhcp(plain)) == plain


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", {}),
        ("ff350102", {}),
        ("00350102", {53: b"\x02"}),
        ("0000350102", {53: b"\x02"}),
        ("3501023501", {53: b"\x02"}),
        ("35010235", {53: b"\x02"}),
        ("3501025000", {53: b"\x02", 80: b""}),
        ("3c0261623c026364", {60: b"abcd"}),  # in parts (RFC 3396)
        ("35010234", {53: b"\x02"}),
        ("350102ff3604c0a83101", {53: b"\x02"}),
    ],
)
def test_options_are_walked_within_bounds(data: str, expected: dict[int, bytes]) -> None:
    assert options(bytes.fromhex(data)) == expected


IN_FILE = bytes.fromhex("3604c0a83101ff3301")
IN_SNAME = bytes.fromhex("0104ffffff00ff")


@pytest.mark.parametrize(
    ("overload", "found"),
    [
        ("340101", {54}),
        ("340102", {1}),
        ("340103", {1, 54}),
        ("34020300", {1, 54}),
        ("340100", set()),
        ("3400", set()),
        ("", set()),
    ],
)
def test_overloaded_fields_hold_options(overload: str, found: set[int]) -> None:
    read = options(bytes.fromhex("350102" + overload), file=IN_FILE, sname=IN_SNAME)
    assert set(read) - {Option.MESSAGE_TYPE, Option.OVERLOAD} == found


def test_parts_of_an_option_are_joined_over_fields_in_order() -> None:
    data = bytes.fromhex("3c0131340103")
    assert options(data, file=bytes.fromhex("3c0132"), sname=bytes.fromhex("3c0133"))[60] == b"123"


def test_a_full_field_needs_no_end() -> None:
    full = (bytes.fromhex("3c7e") + b"x" * 126)[:128]
    assert options(bytes.fromhex("340101"), file=full)[60] == b"x" * 126


@pytest.mark.parametrize(
    ("at", "value", "sentence"),
    [
        (0, b"\x03", "from nobody"),
        (1, b"\x06", "not about Ethernet"),
        (2, b"\x10", "not about Ethernet"),
        (236, b"\x63\x82\x53\x64", "no magic cookie"),
    ],
)
def test_what_is_no_dhcp_is_refused(at: int, value: bytes, sentence: str) -> None:
    with pytest.raises(DhcpError, match=sentence):
        parse_dhcp(FIXED[:at] + value + FIXED[at + len(value) :] + OFFER_OPTIONS)


def test_a_short_message_is_refused() -> None:
    for size in range(len(FIXED)):
        with pytest.raises(DhcpError, match="too short"):
            parse_dhcp(FIXED[:size])


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x09", b"\x02\x02"])
def test_a_message_of_no_known_type_is_refused(value: bytes) -> None:
    with pytest.raises(DhcpError, match="no known type"):
        _ = replace(OFFER, options={Option.MESSAGE_TYPE: value}).type


def test_an_option_of_another_size_is_refused() -> None:
    message = replace(OFFER, options={Option.SERVER_IDENTIFIER: b"\xc0\xa8\x31"})
    with pytest.raises(DhcpError, match=r"54 \(server_identifier\) has 3 bytes, not 4"):
        message.address(Option.SERVER_IDENTIFIER)
    with pytest.raises(DhcpError, match="has 0 bytes"):
        message.seconds(Option.LEASE_TIME)


def test_an_option_that_does_not_fit_is_our_bug() -> None:
    with pytest.raises(LocalProtocolError, match="255"):
        build_dhcp(replace(OFFER, options={60: bytes(256)}))
    assert parse_dhcp(build_dhcp(replace(OFFER, options={60: bytes(255)}))).options == {60: bytes(255)}


def offered(frame: bytes) -> DhcpMessage:
    return parse_dhcp(parse_datagram(parse_ethernet(frame, ETHERTYPE_IPV4).payload).payload)


@pytest.mark.parametrize(
    ("address", "mask", "server", "prefix"),
    [
        ("192.168.49.61", "255.255.255.0", "192.168.49.1", 24),
        ("10.42.0.17", "255.255.255.0", "10.42.0.1", 24),
        ("172.31.255.253", "255.255.255.252", "172.31.255.254", 30),
        ("192.168.0.1", "255.255.0.0", "192.168.255.254", 16),
    ],
)
def test_offers_that_are_taken(address: str, mask: str, server: str, prefix: int) -> None:
    message = offered(saying(MessageType.OFFER, address=address, mask=mask, server=server))
    assert read_lease(message) == Lease(IPv4Address(address), prefix, IPv4Address(server), 3600)


@pytest.mark.parametrize(
    ("address", "mask", "server", "sentence"),
    [
        ("8.8.8.8", "255.255.255.0", "8.8.8.1", "private"),
        ("127.0.0.2", "255.255.255.0", "127.0.0.1", "private"),
        ("169.254.3.4", "255.255.0.0", "169.254.0.1", "private"),
        ("172.32.0.2", "255.255.255.0", "172.32.0.1", "private"),
        ("0.0.0.0", "255.255.255.0", "192.168.49.1", "private"),
        ("255.255.255.255", "255.255.255.0", "192.168.49.1", "private"),
        ("192.168.49.61", "255.255.255.0", "192.168.50.1", "two hosts"),
        ("192.168.49.61", "255.255.255.0", "8.8.8.8", "two hosts"),
        ("192.168.49.61", "255.255.255.0", "192.168.49.61", "two hosts"),
        ("192.168.49.0", "255.255.255.0", "192.168.49.1", "two hosts"),
        ("192.168.49.255", "255.255.255.0", "192.168.49.1", "two hosts"),
        ("192.168.49.61", "255.255.255.0", "192.168.49.255", "two hosts"),
        ("192.168.49.61", "255.255.255.0", "192.168.49.0", "two hosts"),
        ("10.0.0.2", "255.0.0.0", "10.0.0.1", "not sane"),
        ("10.0.0.2", "255.254.0.0", "10.0.0.1", "not sane"),
        ("10.0.0.2", "255.255.255.254", "10.0.0.3", "not sane"),
        ("10.0.0.2", "255.255.255.255", "10.0.0.1", "not sane"),
        ("10.0.0.2", "0.0.0.0", "10.0.0.1", "not sane"),
        ("10.0.0.2", "255.0.255.0", "10.0.0.1", "not sane"),
        ("10.0.0.2", "0.255.255.255", "10.0.0.1", "not sane"),
    ],
)
def test_offers_that_are_not(address: str, mask: str, server: str, sentence: str) -> None:
    message = offered(saying(MessageType.OFFER, address=address, mask=mask, server=server))
    with pytest.raises(DhcpError, match=sentence):
        read_lease(message)


@pytest.mark.parametrize("missing", [Option.SERVER_IDENTIFIER, Option.SUBNET_MASK, Option.LEASE_TIME])
def test_an_offer_without_what_it_takes_is_not_taken(missing: Option) -> None:
    with pytest.raises(DhcpError, match=f"{missing.name.lower()}.* has 0 bytes"):
        read_lease(offered(saying(MessageType.OFFER, options={missing: None})))


def test_a_lease_of_no_time_is_not_taken() -> None:
    with pytest.raises(DhcpError, match="no duration"):
        read_lease(offered(saying(MessageType.OFFER, lease_s=0)))


@given(st.binary(max_size=120), st.binary(max_size=128), st.binary(max_size=64))
def test_nothing_from_the_air_raises_anything_else(data: bytes, file: bytes, sname: bytes) -> None:
    fixed = FIXED[:44] + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + COOKIE
    message = parse_dhcp(fixed + data)
    try:
        read_lease(message)
    except DhcpError:
        return


@given(
    st.dictionaries(st.integers(1, 254).filter(lambda number: number != Option.OVERLOAD), st.binary(max_size=255)),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_what_is_built_is_read_again(values: dict[int, bytes], xid: int, wants_broadcast: bool) -> None:
    message = replace(OFFER, options=values, xid=xid, wants_broadcast=wants_broadcast)
    assert parse_dhcp(build_dhcp(message)) == message
