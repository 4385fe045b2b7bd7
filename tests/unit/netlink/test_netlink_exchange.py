"""Messages and exchanges: whose answer it is, when it is over, and the kernel's own words. Recorded bytes."""

import errno
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import RadioError
from drivers.netlink.attributes import NetlinkFormatError
from drivers.netlink.exchange import Exchange, exchange_of
from drivers.netlink.message import (
    DONE,
    ERROR,
    Flag,
    Message,
    NetlinkError,
    build_message,
    error_in,
    split_messages,
)
from tests.unit.netlink.recorded import recorded

PORT = 77
OK = bytes(4)
KIND = 0x20


def refusal(code: int, sequence: int) -> Message:
    return Message(ERROR, 0, sequence, PORT, (-code).to_bytes(4, "little", signed=True))


def acknowledgement(sequence: int) -> Message:
    return Message(ERROR, Flag.CAPPED, sequence, PORT, OK + bytes(16))


def part(sequence: int, body: bytes = b"", flags: int = Flag.MULTI) -> Message:
    return Message(KIND, flags, sequence, PORT, body)


# Messages


def test_the_words_of_a_refusal_are_the_kernels() -> None:
    (message,) = split_messages(recorded("address_exists"))
    error = error_in(message)
    assert error is not None
    assert error.code == errno.EEXIST
    assert str(error) == "The kernel refused: ipv4: Address already assigned"


def test_a_refusal_without_words_has_those_of_the_number() -> None:
    (message,) = split_messages(recorded("no_such_device"))
    assert str(error_in(message)) == "The kernel refused: No such device"


def test_a_refusal_that_repeats_the_request_whole_has_its_words_behind_it() -> None:
    request = build_message(KIND, Flag.REQUEST, 1, bytes(5))
    words = bytes.fromhex("0700010068690000")
    body = (-errno.EBUSY).to_bytes(4, "little", signed=True) + request.ljust(24, b"\0") + words
    assert str(error_in(Message(ERROR, Flag.ACK_TLVS, 1, PORT, body))) == "The kernel refused: hi"


def test_a_dump_may_end_with_a_refusal_and_words() -> None:
    body = (-errno.EINVAL).to_bytes(4, "little", signed=True) + bytes.fromhex("0700010068690000")
    assert str(error_in(Message(DONE, Flag.ACK_TLVS, 1, PORT, body))) == "The kernel refused: hi"


def test_words_that_are_broken_are_no_words() -> None:
    body = (-errno.EINVAL).to_bytes(4, "little", signed=True) + b"\xff\xff\1\0"
    assert str(error_in(Message(DONE, Flag.ACK_TLVS, 1, PORT, body))) == "The kernel refused: Invalid argument"


def test_that_we_may_not_has_a_remedy() -> None:
    assert "CAP_NET_ADMIN" in NetlinkError(errno.EPERM).explain()


def test_an_acknowledgement_is_no_refusal() -> None:
    (message,) = split_messages(recorded("acknowledgement"))
    assert error_in(message) is None


def test_a_refusal_without_its_number_is_one() -> None:
    error = error_in(Message(ERROR, 0, 1, PORT, b""))
    assert error is not None
    assert error.code == errno.EPROTO
    assert error_in(Message(DONE, 0, 1, PORT, b"")) is None


@given(st.binary(max_size=200))
def test_any_datagram_raises_format_errors_only(data: bytes) -> None:
    with suppress(NetlinkFormatError):
        for message in split_messages(data):
            error_in(message)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5))
def test_messages_are_found_again(sent: list[tuple[int, bytes]]) -> None:
    datagram = b"".join(
        build_message(kind, 0, 1, body).ljust(-(-(16 + len(body)) // 4) * 4, b"\0") for kind, body in sent
    )
    assert [(message.type, message.body) for message in split_messages(datagram)] == sent


# Exchanges


def asked(count: int = 1, first: int = 5) -> Exchange:
    return exchange_of([(KIND, b"", Flag.ACK)] * count, first)


def test_requests_are_numbered_and_marked() -> None:
    exchange = exchange_of([(KIND, b"abc", 0), (KIND, b"", Flag.ACK | Flag.DUMP)], 9)
    found = [(each.sequence, each.flags, each.body) for each in split_messages(exchange.datagram)]
    assert found == [(9, Flag.REQUEST, b"abc"), (10, Flag.REQUEST | Flag.ACK | Flag.DUMP, b"")]


def test_answers_come_before_the_acknowledgement() -> None:
    exchange = asked()
    assert exchange.take(part(5, b"a", 0))
    assert not exchange.is_over
    assert exchange.take(acknowledgement(5))
    assert exchange.is_over
    assert not exchange.failure
    assert [each.body for each in exchange.answers] == [b"a"]


def test_a_recorded_dump() -> None:
    exchange = asked(first=10)
    for message in split_messages(recorded("dump")):
        assert exchange.take(message)
    assert not exchange.is_over
    assert exchange.take(Message(DONE, Flag.MULTI, 10, PORT, OK))
    assert exchange.is_over
    assert len(exchange.answers) == 2
    assert not exchange.was_interrupted


@pytest.mark.parametrize("last", [False, True])
def test_a_dump_that_was_interrupted_says_so(last: bool) -> None:
    exchange = asked()
    exchange.take(part(5, flags=Flag.MULTI if last else Flag.MULTI | Flag.DUMP_INTERRUPTED))
    exchange.take(Message(DONE, Flag.MULTI | (Flag.DUMP_INTERRUPTED if last else 0), 5, PORT, OK))
    assert exchange.is_over
    assert exchange.was_interrupted


def test_what_has_another_number_or_comes_later_is_not_taken() -> None:
    exchange = asked()
    assert not exchange.take(part(4))
    assert not exchange.take(acknowledgement(6))
    exchange.take(acknowledgement(5))
    assert not exchange.take(part(5))
    assert exchange.answers == []


def test_several_are_over_with_the_last_acknowledgement_they_asked_for() -> None:
    exchange = exchange_of([(KIND, b"", 0), (KIND, b"", Flag.ACK), (KIND, b"", Flag.ACK), (KIND, b"", 0)], 5)
    exchange.take(acknowledgement(7))
    assert not exchange.is_over
    exchange.take(acknowledgement(6))
    assert exchange.is_over


def test_the_first_refusal_ends_all_even_of_one_that_asked_for_nothing() -> None:
    exchange = exchange_of([(KIND, b"", 0), (KIND, b"", Flag.ACK)], 5)
    exchange.take(refusal(errno.ENOENT, 5))
    assert exchange.is_over
    assert isinstance(exchange.failure, NetlinkError)
    assert exchange.failure.code == errno.ENOENT
    assert not exchange.take(acknowledgement(6))


def test_what_is_over_cannot_fail() -> None:
    exchange = asked()
    exchange.take(acknowledgement(5))
    exchange.fail(RadioError("too late"))
    assert exchange.failure is None
