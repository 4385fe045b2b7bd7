"""Links, routes, the firewall and packet sockets of the kernel: three stations on wires, in namespaces of their own.

The test is in the station's namespace. There `ferry0` leads to a phone in another, and `home0` to a house in a third.
"""

import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from socket import if_nametoindex
from typing import Any

import pytest

from board import aio
from board.errors import LocalProtocolError
from drivers.netlink.channel import NETFILTER, ROUTE, Netlink
from drivers.netlink.firewall import Flow, chains, install, remove
from drivers.netlink.ipv4 import LAST_METRIC, add_address, add_route, set_neighbour
from drivers.netlink.message import NetlinkError, build_message
from drivers.netlink.rtnetlink import OperationalState, link_at, links, set_alias, set_down, set_up
from drivers.netlink.sysctl import isolate
from drivers.packet.filters import DHCP_CLIENT
from drivers.packet.packet_socket import BROADCAST, Ethertype, PacketSocket, PacketSocketError

ROOT = Path(__file__).parents[2]
STATION_MAC, PHONE_MAC = bytes.fromhex("020000000110"), bytes.fromhex("020000000199")
STATION, PHONE, GROUP = IPv4Interface("192.168.49.61/24"), IPv4Address("192.168.49.1"), IPv4Network("192.168.49.0/24")
PORT = 33_221
FLOW = Flow(STATION.ip, PHONE, PORT)
PATIENCE_S = 0.5  # after which what has not come is taken for dropped
WHOLE_FRAME = 65_535
LINK_EVENTS = 1  # RTNLGRP_LINK
SMALL_BUFFER_BYTES = 8192  # for an answer, but not for twenty events
NEW_NAMESPACE = 0x4000_0000  # CLONE_NEWNET
EVERY_ETHERTYPE = 3
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class World:
    """The namespaces of the others, as descriptors."""

    phone: int
    house: int


def call(*command: str) -> str:
    """Run a command in the namespace where we are and return what it says."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def enter(namespace: int) -> None:
    assert _libc.setns(namespace, NEW_NAMESPACE) == 0, os.strerror(ctypes.get_errno())


def current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def new_namespace() -> int:
    assert _libc.unshare(NEW_NAMESPACE) == 0, os.strerror(ctypes.get_errno())
    call("ip", "link", "set", "lo", "up")
    return current()


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Be in another namespace; sockets stay where they were made."""
    before = current()
    enter(namespace)
    try:
        yield
    finally:
        enter(before)
        os.close(before)


@pytest.fixture
def world() -> Iterator[World]:
    """The wire to the phone, switched on at its end only, and the wire to the house."""
    origin = current()
    phone, house, station = new_namespace(), new_namespace(), new_namespace()
    try:
        call("ip", "link", "add", "ferry0", "type", "veth", "peer", "name", "phone0", "netns", of(phone))
        call("ip", "link", "add", "home0", "type", "veth", "peer", "name", "house0", "netns", of(house))
        call("ip", "link", "set", "ferry0", "address", STATION_MAC.hex(":"))
        call("ip", "link", "set", "home0", "up")
        call("ip", "address", "add", "10.7.0.2/24", "dev", "home0")
        with inside(phone):
            call("ip", "link", "set", "phone0", "address", PHONE_MAC.hex(":"))
            call("ip", "address", "add", f"{PHONE}/24", "dev", "phone0")
            call("ip", "link", "set", "phone0", "up")
        with inside(house):
            call("ip", "address", "add", "10.7.0.1/24", "dev", "house0")
            call("ip", "link", "set", "house0", "up")
            until_up("house0")
        until_up("home0")
        yield World(phone, house)
    finally:
        enter(origin)
        for each in (origin, phone, house, station):
            os.close(each)


def of(namespace: int) -> str:
    return f"/proc/{os.getpid()}/fd/{namespace}"


def with_netlink(protocol: int, test: Callable[[Netlink], Awaitable[Any]]) -> None:
    """Run `test` with a channel in the current namespace."""

    async def whole() -> None:
        netlink = Netlink(protocol)
        netlink.start()
        try:
            await test(netlink)
        finally:
            netlink.close()

    aio.run(whole())


def guard(flow: Flow | None = None) -> None:
    """Install the rules; they stay when the channel is closed."""
    with_netlink(NETFILTER, lambda netlink: install(netlink, "ferry0", flow))


def unguard() -> None:
    with_netlink(NETFILTER, remove)


def bring_up(world: World) -> None:
    """Do with `ferry0` what the link manager does."""

    async def test(netlink: Netlink) -> None:
        isolate("ferry0")
        index = if_nametoindex("ferry0")
        await set_up(netlink, index)
        await netlink.ask_all([add_address(index, STATION), add_route(index, GROUP, STATION.ip)])

    with_netlink(ROUTE, test)
    until_the_wire_works(world)


def until_the_wire_works(world: World) -> None:
    """Wait for the kernel to notice that both ends are up; before that it drops what is sent."""
    until_up("ferry0")
    with inside(world.phone):
        until_up("phone0")


def until_up(name: str) -> None:
    async def test(netlink: Netlink) -> None:
        changed = aio.Event()
        netlink.on_event = lambda message: changed.set()
        netlink.join(LINK_EVENTS)
        while (await link_at(netlink, if_nametoindex(name))).operational_state is not OperationalState.UP:
            await changed.wait()
            changed.clear()

    with_netlink(ROUTE, test)


def listener(address: str, port: int) -> socket.socket:
    return socket.create_server((address, port))


def reaches(address: str, port: int, device: str = "") -> str:
    """Connect and return what the other end is called, or what went wrong."""
    with socket.socket() as client:
        client.settimeout(PATIENCE_S)
        if device:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        try:
            client.connect((address, port))
        except OSError as error:
            return type(error).__name__
    return "connected"


@contextmanager
def capture(namespace: int, interface: str, patience_s: float = PATIENCE_S) -> Iterator[list[bytes]]:
    """Collect the frames that come to `interface`; they are there when this ends."""
    frames: list[bytes] = []
    with inside(namespace):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        tap.bind((interface, EVERY_ETHERTYPE))
    with tap:
        tap.settimeout(patience_s)
        yield frames
        with suppress(TimeoutError):
            while True:
                frame, (_, _, kind, *_) = tap.recvfrom(WHOLE_FRAME)
                if kind != socket.PACKET_OUTGOING:
                    frames.append(frame)


# Links, addresses, routes, neighbours


def test_what_we_make_is_what_ip_shows(world: World) -> None:
    async def test(netlink: Netlink) -> None:
        index = if_nametoindex("ferry0")
        await set_up(netlink, index)
        told = add_address(index, STATION), add_route(index, GROUP, STATION.ip), set_neighbour(index, PHONE, PHONE_MAC)
        await netlink.ask_all(told)

        (shown,) = json.loads(call("ip", "-json", "address", "show", "ferry0"))
        link = await link_at(netlink, index)
        assert (shown["ifindex"], shown["ifname"]) == (link.index, link.name)
        assert shown["operstate"] == "UP" == link.operational_state.name
        ours = [each for each in shown["addr_info"] if each["family"] == "inet"]
        assert [(each["local"], each["prefixlen"], each.get("noprefixroute")) for each in ours] == [
            (str(STATION.ip), 24, True)
        ]
        (route,) = json.loads(call("ip", "-json", "route", "show", "dev", "ferry0"))
        assert (route["dst"], route["prefsrc"], route["metric"]) == (str(GROUP), str(STATION.ip), LAST_METRIC)
        (neighbour,) = json.loads(call("ip", "-json", "neighbour", "show", "dev", "ferry0"))
        assert (neighbour["dst"], neighbour["lladdr"], neighbour["state"]) == (
            str(PHONE),
            PHONE_MAC.hex(":"),
            ["PERMANENT"],
        )

    with_netlink(ROUTE, test)


def test_a_link_is_called_something_switched_off_and_called_nothing_again(world: World) -> None:
    async def test(netlink: Netlink) -> None:
        index = if_nametoindex("ferry0")
        await set_up(netlink, index)
        await set_alias(netlink, index, "zum Händler".encode())
        await set_down(netlink, index)
        (shown,) = json.loads(call("ip", "-json", "link", "show", "ferry0"))
        link = await link_at(netlink, index)
        assert link.alias.decode() == shown["ifalias"] == "zum Händler"
        assert not link.is_up
        assert link.operational_state is OperationalState.DOWN
        await set_alias(netlink, index, b"")
        assert (await link_at(netlink, index)).alias == b""
        assert "alias" not in call("ip", "link", "show", "ferry0")
        with pytest.raises(NetlinkError):
            await set_alias(netlink, index, bytes(256))

    with_netlink(ROUTE, test)


def test_what_is_there_already_may_be_there(world: World) -> None:
    bring_up(world)

    async def test(netlink: Netlink) -> None:
        index = if_nametoindex("ferry0")
        await netlink.ask_all([add_address(index, STATION), add_route(index, GROUP, STATION.ip)])
        assert call("ip", "address", "show", "ferry0").count("inet ") == 1

    with_netlink(ROUTE, test)


def test_an_event_may_close_the_channel(world: World) -> None:
    async def test(netlink: Netlink) -> None:
        seen: list[int] = []

        def close(message: Any) -> None:
            seen.append(message.type)
            netlink.close()

        netlink.on_event = close
        netlink.on_overrun = lambda: seen.append(-1)
        netlink.join(LINK_EVENTS)
        call("ip", "link", "set", "ferry0", "up")
        while not seen:
            await aio.sleep_ms(10)
        assert seen == [16]

    with_netlink(ROUTE, test)


# The channel


def test_a_dump_that_was_interrupted_is_asked_again(world: World) -> None:
    """The first part is made when we ask, the others when we read: what changes between is noticed."""
    for number in range(40):
        call("ip", "link", "add", f"a{number}", "type", "veth", "peer", "name", f"b{number}")

    async def test(netlink: Netlink) -> None:
        first = (await links(netlink))[1]
        asking = aio.create_task(links(netlink))
        await aio.sleep_ms(0)
        call("ip", "link", "delete", first.name)
        found = await asking
        assert first.index not in {each.index for each in found}
        assert len(found) >= 80

    with_netlink(ROUTE, test)


def test_a_dump_whose_caller_was_cancelled_comes_to_its_end_before_the_next_begins(world: World) -> None:
    """The kernel refuses a second one beside it (EBUSY)."""
    for number in range(40):
        call("ip", "link", "add", f"a{number}", "type", "veth", "peer", "name", f"b{number}")

    async def test(netlink: Netlink) -> None:
        cancelled = aio.create_task(links(netlink))
        await aio.sleep_ms(0)
        cancelled.cancel()
        assert len(await links(netlink)) > 80

    with_netlink(ROUTE, test)


def test_what_another_process_shouts_is_no_event(world: World) -> None:
    async def test(netlink: Netlink) -> None:
        seen: list[Any] = []
        netlink.on_event = seen.append
        netlink.join(LINK_EVENTS)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ROUTE) as stranger:
            stranger.sendto(build_message(16, 0, 0, bytes(16)), (0, 1 << LINK_EVENTS - 1))
        await links(netlink)
        assert seen == []

    with_netlink(ROUTE, test)


def test_lost_events_are_told(world: World) -> None:
    async def test(netlink: Netlink) -> None:
        overruns: list[bool] = []
        netlink.on_overrun = lambda: overruns.append(True)
        netlink._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        netlink.join(LINK_EVENTS)
        for state in ("up", "down") * 10:
            call("ip", "link", "set", "ferry0", state)
        while not overruns:
            await aio.sleep_ms(10)
        assert (await link_at(netlink, if_nametoindex("ferry0"))).name == "ferry0"

    with_netlink(ROUTE, test)


# The firewall


def listed() -> dict[str, list[str]]:
    """What nft shows of our table: the rules of each chain."""
    found: dict[str, list[str]] = {}
    for line in map(str.strip, call("nft", "list", "ruleset").splitlines()):
        if line.startswith("chain "):
            rules = found.setdefault(line.split()[1], [])
        elif line.endswith((" accept", " drop")):
            rules.append(line)
    return found


def test_nft_shows_the_rules_that_we_describe(world: World) -> None:
    for flow in (None, FLOW, None):
        guard(flow)
        assert listed() == {chain.name: [str(rule) for rule in chain.rules] for chain in chains("ferry0", flow)}
    unguard()
    unguard()
    assert call("nft", "list", "ruleset") == ""


def test_before_the_peer_is_known_nothing_passes(world: World) -> None:
    guard()
    with inside(world.phone):
        server = listener(str(PHONE), PORT)
    with server, capture(world.phone, "phone0") as frames:
        bring_up(world)
        assert reaches(str(PHONE), PORT) == "TimeoutError"
    assert frames == [], "not even the question who has that address"


def test_exactly_our_flow_passes(world: World) -> None:
    guard(FLOW)
    bring_up(world)
    with inside(world.phone):
        servers = [listener(str(PHONE), port) for port in (PORT, PORT + 1)]
    assert reaches(str(PHONE), PORT) == "connected"
    assert reaches(str(PHONE), PORT, "ferry0") == "connected"
    assert reaches(str(PHONE), PORT + 1) == "TimeoutError"
    for server in servers:
        server.close()
    assert reaches(str(PHONE), PORT) == "ConnectionRefusedError", "a reset passes too"


@pytest.mark.parametrize("is_guarded", [False, True])
def test_a_phone_reaches_nothing_of_ours(world: World, is_guarded: bool) -> None:
    """Without the rules it does, or this would show nothing."""
    if is_guarded:
        guard(FLOW)
    bring_up(world)
    call("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.ferry0.forwarding=1")
    with inside(world.house):
        call("ip", "route", "add", str(GROUP), "via", "10.7.0.2")
        files = listener("10.7.0.1", 445)
    with inside(world.phone):
        call("ip", "route", "add", "10.7.0.0/24", "via", str(STATION.ip))
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    expected = "TimeoutError" if is_guarded else "connected"
    with files, listener("0.0.0.0", 22), stranger, capture(world.phone, "phone0") as frames:
        stranger.sendto(b"is anybody there?", (str(STATION.ip), 9))
        with inside(world.phone):
            assert reaches(str(STATION.ip), 22) == expected, "our own port"
            assert reaches("10.7.0.2", 22) == expected, "our own port at our address in the house"
            assert reaches("10.7.0.1", 445) == expected, "the house through us"
    assert any(frame[12:14] == IPV4 for frame in frames) is not is_guarded


def test_the_house_does_not_notice(world: World) -> None:
    guard(FLOW)
    bring_up(world)
    with listener("10.7.0.2", 22), inside(world.house):
        assert reaches("10.7.0.2", 22) == "connected"
    with inside(world.house):
        server = listener("10.7.0.1", 445)
    with server:
        assert reaches("10.7.0.1", 445) == "connected"


@pytest.mark.parametrize("is_guarded", [False, True])
def test_no_ipv6_comes_out(world: World, is_guarded: bool) -> None:
    """Switched on without `isolate`, the kernel looks for routers and others by itself."""
    if is_guarded:
        guard()
    with capture(world.phone, "phone0", patience_s=1.5) as frames:
        call("ip", "link", "set", "ferry0", "up")
    assert any(frame[12:14] == IPV6 for frame in frames) is not is_guarded


def test_the_settings_alone_keep_ipv6_in_and_our_other_addresses_unknown(world: World) -> None:
    with capture(world.phone, "phone0", patience_s=1.5) as frames:
        bring_up(world)
        with inside(world.phone):
            call("ip", "route", "add", "10.7.0.2", "dev", "phone0")
            assert reaches("10.7.0.2", 22) == "TimeoutError", "nobody tells who has that address"
            assert reaches(str(STATION.ip), 22) == "ConnectionRefusedError"
    assert not any(frame[12:14] == IPV6 for frame in frames)


def test_a_house_with_the_same_addresses_keeps_them(world: World) -> None:
    """Only a socket bound to the link's interface reaches the phone."""
    guard(FLOW)
    call("ip", "address", "add", "192.168.49.5/24", "dev", "home0")
    with inside(world.house):
        call("ip", "address", "add", f"{PHONE}/24", "dev", "house0")
        router = listener(str(PHONE), 53)
    bring_up(world)
    with inside(world.phone):
        server = listener(str(PHONE), PORT)
    with router, server:
        assert reaches(str(PHONE), 53) == "connected"
        assert reaches(str(PHONE), PORT) == "ConnectionRefusedError"
        assert reaches(str(PHONE), PORT, "ferry0") == "connected"


def test_a_process_that_is_killed_leaves_the_link_shut_and_the_next_one_cleans_up(world: World) -> None:
    program = (
        "import os, signal\n"
        "from board import aio\n"
        "from drivers.netlink.channel import NETFILTER, Netlink\n"
        "from drivers.netlink.firewall import install\n"
        "async def main():\n"
        "    netlink = Netlink(NETFILTER)\n"
        "    netlink.start()\n"
        "    await install(netlink, 'stale0')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "aio.run(main())\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert listed() == {"in": ['iifname "stale0" drop'], "out": ['oifname "stale0" drop']}
    guard()
    assert listed() == {"in": ['iifname "ferry0" drop'], "out": ['oifname "ferry0" drop']}
    unguard()
    assert call("nft", "list", "ruleset") == ""


# Packet sockets


def dhcp_answer(port: int) -> bytes:
    """A datagram from a DHCP server to `port`, as far as the kernel looks at it."""
    udp = struct.pack(">HHHH", 67, port, 12, 0) + b"DHCP"
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, PHONE.packed, STATION.ip.packed)
    return with_checksum(head) + udp


def with_checksum(head: bytes) -> bytes:
    """Fill in the checksum of an IPv4 header (RFC 791, 3.1)."""
    total = sum(struct.unpack(">10H", head))
    folded = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~(folded + (folded >> 16)) & 0xFFFF) + head[12:]


def opened(world: World, ethertype: Ethertype, *program: Any) -> tuple[PacketSocket, PacketSocket]:
    """Our end with a filter, and the phone's without, on a wire that works."""
    ours = PacketSocket("ferry0", ethertype, *program)
    with inside(world.phone):
        return ours, PacketSocket("phone0", ethertype)


def test_dhcp_passes_while_the_firewall_lets_nothing_pass(world: World) -> None:
    guard()
    bring_up(world)

    async def test() -> None:
        ours, theirs = opened(world, Ethertype.IPV4, DHCP_CLIENT)
        assert ours.address == STATION_MAC
        ours.write(dhcp_answer(67), BROADCAST)
        assert await aio.wait_for_ms(theirs.read(), 1000) == (dhcp_answer(67), STATION_MAC)
        for port in (67, 22, 68):
            theirs.write(dhcp_answer(port), STATION_MAC)
        assert await aio.wait_for_ms(ours.read(), 1000) == (dhcp_answer(68), PHONE_MAC)
        ours.close()
        theirs.close()

    with capture(world.phone, "phone0") as frames:
        aio.run(test())
    assert [frame for frame in frames if frame[12:14] == IPV4] == [BROADCAST + STATION_MAC + IPV4 + dhcp_answer(67)], (
        "the kernel has answered something by itself"
    )


@pytest.mark.parametrize("ethertype", [Ethertype.EAPOL, Ethertype.ARP])
def test_packets_go_both_ways(world: World, ethertype: Ethertype) -> None:
    guard()
    bring_up(world)
    payload = b"\1\3" + bytes(200)

    async def test() -> None:
        ours, theirs = opened(world, ethertype)
        theirs.write(payload, STATION_MAC)
        assert await aio.wait_for_ms(ours.read(), 1000) == (payload, PHONE_MAC)
        ours.write(payload, PHONE_MAC)
        assert await aio.wait_for_ms(theirs.read(), 1000) == (payload, STATION_MAC)
        ours.close()
        theirs.close()

    aio.run(test())


def test_whoever_waits_for_a_packet_gets_the_end(world: World) -> None:
    bring_up(world)

    async def test() -> None:
        ours, theirs = opened(world, Ethertype.EAPOL)
        waiting = aio.create_task(ours.read())
        await aio.sleep_ms(0)
        ours.close()
        ours.close()
        with pytest.raises(PacketSocketError):
            await waiting
        with pytest.raises(PacketSocketError):
            ours.write(b"", PHONE_MAC)
        call("ip", "link", "set", "ferry0", "down")
        theirs.close()

    aio.run(test())


def test_whoever_waits_for_a_packet_hears_that_the_link_went_down(world: World) -> None:
    bring_up(world)

    async def test() -> None:
        ours, theirs = opened(world, Ethertype.EAPOL)
        waiting = aio.create_task(ours.read())
        await aio.sleep_ms(0)
        call("ip", "link", "set", "ferry0", "down")
        with pytest.raises(PacketSocketError, match="ferry0: Network is down"):
            await waiting
        with pytest.raises(PacketSocketError):
            ours.write(b"", PHONE_MAC)
        ours.close()
        theirs.close()

    aio.run(test())


def test_a_packet_goes_to_six_bytes(world: World) -> None:
    bring_up(world)

    async def test() -> None:
        ours, theirs = opened(world, Ethertype.EAPOL)
        with pytest.raises(LocalProtocolError, match="six bytes"):
            ours.write(b"", PHONE_MAC[:5])
        ours.close()
        theirs.close()

    aio.run(test())
