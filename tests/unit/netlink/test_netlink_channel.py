"""The channel with this machine's own kernel, as any user may: the loopback link, answers, losses, the end."""

import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from board import aio
from drivers.errors import RadioError
from drivers.netlink.channel import GENERIC, ROUTE, Netlink, NoAnswerError
from drivers.netlink.generic import Family, family
from drivers.netlink.message import Flag, Message, NetlinkError, OverrunError, build_message, split_messages
from drivers.netlink.rtnetlink import LinkFlag, link_at, links

GET_LINK = 18
LOOPBACK = bytes(4) + (1).to_bytes(4, "little") + bytes(8)
TOO_MANY = 5_000  # answers about a link take more than the receive buffer


def with_netlink(test: Callable[[Netlink], Awaitable[Any]], protocol: int = ROUTE, **options: Any) -> None:
    """Run `test` with a started channel, which is closed in the end."""

    async def whole() -> None:
        netlink = Netlink(protocol, **options)
        netlink.start()
        try:
            await test(netlink)
        finally:
            netlink.close()

    aio.run(whole())


def port_of(netlink: Netlink) -> int:
    return netlink._port


def test_the_kernel_tells_about_the_loopback() -> None:
    async def test(netlink: Netlink) -> None:
        found = await links(netlink)
        loopback = await link_at(netlink, 1)
        assert loopback in found
        assert loopback.name == "lo"
        assert LinkFlag.LOOPBACK in loopback.flags

    with_netlink(test)


def test_requests_wait_for_each_other() -> None:
    async def test(netlink: Netlink) -> None:
        answers = await aio.gather(*(netlink.ask(GET_LINK, LOOPBACK) for _ in range(20)))
        assert [len(each) for each in answers] == [1] * 20
        assert len({each[0].sequence for each in answers}) == 20

    with_netlink(test)


def test_a_refusal_ends_its_request_only() -> None:
    async def test(netlink: Netlink) -> None:
        with pytest.raises(NetlinkError) as refused:
            await netlink.ask(GET_LINK, LOOPBACK.replace(b"\1", b"\xfe"))
        assert refused.value.code == errno.ENODEV
        assert await netlink.ask(GET_LINK, LOOPBACK)

    with_netlink(test)


def test_a_family_is_found_by_name() -> None:
    async def test(netlink: Netlink) -> None:
        assert await family(netlink, "nlctrl") == Family(0x10, 2, {"notify": 0x10})
        with pytest.raises(NetlinkError) as refused:
            await family(netlink, "ferry")
        assert refused.value.code == errno.ENOENT

    with_netlink(test, GENERIC)


def test_losses_are_told_and_end_the_request_but_not_the_channel() -> None:
    async def test(netlink: Netlink) -> None:
        overruns: list[bool] = []
        netlink.on_overrun = lambda: overruns.append(True)
        with pytest.raises(OverrunError):
            await netlink.ask_all([(GET_LINK, LOOPBACK, Flag.ACK)] * TOO_MANY)
        assert overruns
        assert (await link_at(netlink, 1)).index == 1

    with_netlink(test)


def test_a_caller_that_was_cancelled_does_not_disturb_the_next() -> None:
    async def test(netlink: Netlink) -> None:
        for _ in range(10):
            task = aio.create_task(netlink.ask(GET_LINK, bytes(16), Flag.DUMP))
            await aio.sleep_ms(0)
            await aio.sleep_ms(0)
            task.cancel()
            found = await netlink.ask(GET_LINK, bytes(16), Flag.DUMP)
            assert {each.sequence for each in found} == {found[0].sequence}

    with_netlink(test)


def test_what_is_not_answered_in_time_ends() -> None:
    async def test() -> None:
        netlink = Netlink(ROUTE, answer_timeout_ms=20)  # which never starts to read
        for _ in range(2):
            with pytest.raises(NoAnswerError):
                await netlink.ask(GET_LINK, LOOPBACK)
        netlink.close()

    aio.run(test())


def test_the_end_of_the_channel_ends_whoever_waits_and_whoever_comes() -> None:
    async def test() -> None:
        netlink = Netlink(ROUTE)  # which never starts to read, so these wait
        waiting = [aio.create_task(netlink.ask(GET_LINK, LOOPBACK)) for _ in range(3)]
        await aio.sleep_ms(0)
        netlink.close()
        netlink.close()
        assert [type(each) for each in await aio.gather(*waiting, return_exceptions=True)] == [RadioError] * 3
        with pytest.raises(RadioError, match="closed"):
            await netlink.ask(GET_LINK, LOOPBACK)
        with pytest.raises(RadioError, match="closed"):
            await netlink.ask_all([(GET_LINK, LOOPBACK, Flag.ACK)])

    aio.run(test())


def test_nobody_but_the_kernel_can_send_to_us() -> None:
    async def test(netlink: Netlink) -> None:
        events: list[Message] = []
        netlink.on_event = events.append
        stranger = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ROUTE)
        with stranger, pytest.raises(OSError, match=r"refused|not permitted"):
            stranger.sendto(build_message(16, 0, 0, LOOPBACK), (port_of(netlink), 0))
        await netlink.ask(GET_LINK, LOOPBACK)
        assert events == []

    with_netlink(test)


def test_an_event_of_ours_is_no_answer() -> None:
    """As IPv4 addresses do: the event carries the port and number of the request that caused it."""

    async def test(netlink: Netlink) -> None:
        events: list[Message] = []
        netlink.on_event = events.append
        asking = aio.create_task(netlink.ask(GET_LINK, LOOPBACK))
        await aio.sleep_ms(0)
        event = build_message(20, 0, 1, bytes(8))
        ours = event[:12] + port_of(netlink).to_bytes(4, "little") + event[16:]
        netlink._received(ours, is_multicast=True)
        netlink._received(event, is_multicast=False)
        assert [each.type for each in await asking] == [16]
        assert [(each.type, each.port) for each in events] == [(20, port_of(netlink)), (20, 0)]

    with_netlink(test)


def test_a_broken_datagram_counts_as_lost() -> None:
    async def test(netlink: Netlink) -> None:
        overruns: list[bool] = []
        netlink.on_overrun = lambda: overruns.append(True)
        netlink._received(build_message(16, 0, 0, LOOPBACK)[:-4], is_multicast=True)
        assert overruns == [True]

    with_netlink(test)


def test_numbers_begin_again_before_they_run_out_and_are_never_zero() -> None:
    async def test(netlink: Netlink) -> None:
        netlink._sequence = 0x7FFF_FFFE
        sequences = [(await netlink.ask(GET_LINK, LOOPBACK))[0].sequence for _ in range(2)]
        assert sequences == [0x7FFF_FFFF, 1]

    with_netlink(test)


def test_what_a_kernel_does_not_have() -> None:
    async def test(netlink: Netlink) -> None:
        with pytest.raises(RadioError, match="events cannot be had"):
            netlink.join(0xFFFF)

    with pytest.raises(RadioError, match="no netlink 31"):
        Netlink(31)
    with_netlink(test)


def test_messages_of_one_datagram_are_all_taken() -> None:
    async def test(netlink: Netlink) -> None:
        await netlink.ask_all([(GET_LINK, LOOPBACK, 0)] * 3 + [(GET_LINK, LOOPBACK, Flag.ACK)])
        with pytest.raises(NetlinkError):
            await netlink.ask_all([(GET_LINK, LOOPBACK.replace(b"\1", b"\xfe"), 0), (GET_LINK, LOOPBACK, Flag.ACK)])

    with_netlink(test)
    assert len(list(split_messages(build_message(1, 0, 1, b"") * 3))) == 3
