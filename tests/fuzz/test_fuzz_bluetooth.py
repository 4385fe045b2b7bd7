"""Whatever comes out of the air or out of a controller: nothing of ours raises, hangs, grows or is left over.

`pytest` runs each property for a moment, `python -m tests.fuzz SECONDS` for as long as one likes.
"""

from collections.abc import Sequence
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from board import aio
from board.errors import RemoteProtocolError
from drivers.errors import RadioError
from drivers.hci.acl import AclQueue, Reassembler, build_acl, parse_acl
from drivers.hci.events import EVENTS, build_event, parse_event
from drivers.hci.h4 import H4Parser
from drivers.hci.wire import PacketError, build, show
from stack.alliance.inbox import Inbox
from stack.alliance.link_info import MAX_BYTES
from stack.ble import att
from stack.ble.advertising import Advertising
from stack.ble.att_server import MAX_PREPARED, MAX_PREPARED_BYTES
from stack.ble.connection import Connection, ConnectionLostError
from stack.ble.gatt import Service
from stack.ble.gatt_client import (
    FoundService,
    GattError,
    Procedure,
    exchange_mtu,
    find_characteristics,
    find_services,
    read_long,
    write_long,
)
from stack.ble.l2cap import MAX_SIGNALLING_BYTES, answer_signal, build_pdu, split_pdu
from stack.ble.peripheral import Limits, Peripheral
from stack.ble.radio import Radio
from tests.fuzz.declared import packets
from tests.unit.ble.attributes import FOREIGN_SERVICE, LAST, P2P, STATUS, Values, served
from tests.unit.ble.dialogue import ask
from tests.unit.ble.phone import radio_on
from tests.unit.drivers.controller import OUR_ADDRESS, FakeController, run, settle

whole_stack = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

HANDLES = st.integers(0, LAST + 1) | st.sampled_from([STATUS, P2P]) | st.just(0xFFFF)
OFFSETS = st.integers(0, 40) | st.integers(0, 0xFFFF)
VALUES = st.binary(max_size=40) | st.binary(max_size=600)

# Requests that mean something, beside those that do not.
REQUESTS = st.one_of(
    st.builds(att.ExchangeMtuRequest, st.integers(0, 600)),
    st.builds(att.ReadRequest, HANDLES),
    st.builds(att.ReadBlobRequest, HANDLES, OFFSETS),
    st.builds(att.WriteRequest, HANDLES, VALUES),
    st.builds(att.WriteCommand, HANDLES, VALUES),
    st.builds(att.PrepareWriteRequest, HANDLES, OFFSETS, VALUES),
    st.builds(att.ExecuteWriteRequest, st.integers(0, 2)),
    st.builds(att.FindInformationRequest, HANDLES, HANDLES),
    st.builds(att.ReadByTypeRequest, HANDLES, HANDLES, st.sampled_from([b"\x03\x28", b"\x00\x28", b"\x54\x99", b"x"])),
    st.builds(att.ReadByGroupTypeRequest, HANDLES, HANDLES, st.sampled_from([b"\x00\x28", b"\x01\x28", b""])),
    st.builds(att.FindByTypeValueRequest, HANDLES, HANDLES, st.just(0x2800), st.sampled_from([b"\x55\x99", b""])),
)
ATT_PDUS = (
    REQUESTS.map(att.build_pdu)
    | st.sampled_from(att.REQUESTS + att.RESPONSES).flatmap(packets).map(att.build_pdu)
    | st.binary(max_size=64)
)
L2CAP_PDUS = (
    st.builds(build_pdu, st.just(4), ATT_PDUS)
    | st.builds(build_pdu, st.integers(4, 7), st.binary(max_size=30))
    | st.binary(max_size=40)
)


# Codecs.


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_the_controllers_fault(data: bytes) -> None:
    for packet in (data, bytes((4,)) + data, bytes((4, data[0] if data else 0, len(data[1:256]))) + data[1:256]):
        with suppress(PacketError):
            event = parse_event(packet)
            assert event is None or show(event)


@given(st.sampled_from(EVENTS).flatmap(lambda kind: st.tuples(st.just(kind), st.binary(max_size=255))))
def test_any_parameters_of_a_known_event(case: tuple[type, bytes]) -> None:
    kind, parameters = case
    body = parameters if kind.SUBEVENT is None else bytes((kind.SUBEVENT,)) + parameters[:254]  # type: ignore[attr-defined]
    with suppress(PacketError):
        assert isinstance(parse_event(bytes((4, kind.CODE, len(body))) + body), kind)  # type: ignore[attr-defined]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_pdu_or_the_peers_fault(data: bytes) -> None:
    for parse in (parse_acl, split_pdu, att.parse_pdu):
        with suppress(PacketError):
            parse(data)


@given(st.binary(max_size=60), st.booleans())
def test_any_signal_has_a_short_answer_or_none(payload: bytes, is_central: bool) -> None:
    answer, update = answer_signal(payload, is_central=is_central)
    assert answer is None or len(answer) <= MAX_SIGNALLING_BYTES
    assert update is None or (is_central and update.is_allowed)


@given(st.lists(st.binary(max_size=600), max_size=20))
def test_any_stream_is_framed_within_bounds(pieces: list[bytes]) -> None:
    parser, reassembler = H4Parser(), Reassembler()
    for piece in pieces:
        for packet in parser.feed(piece):
            with suppress(PacketError):
                parse_event(packet)
            with suppress(PacketError):
                reassembler.feed(parse_acl(packet))
        assert len(parser._held) < 4096 + 5


@given(st.lists(st.tuples(st.sampled_from("ocpdt"), st.integers(0, 3), st.integers(0, 0xFFFF)), max_size=60))
def test_no_sequence_of_reports_creates_buffers(steps: list[tuple[str, int, int]]) -> None:
    queue, taken = AclQueue(27, 4), 0
    for step, handle, count in steps:
        match step:
            case "o":
                queue.opened(handle)
            case "c":
                queue.closed(handle)
            case "p":
                queue.put(handle, bytes(1 + count % 100))
            case "d":
                queue.completed(handle, count)
            case "t":
                taken += queue.take() is not None
    held = sum(lane.in_controller for lane in queue._lanes.values())
    assert 0 <= queue._free == 4 - held


# ATT.


@given(st.lists(ATT_PDUS, max_size=50), st.sampled_from([23, 64, 517]))
def test_any_dialogue_with_our_server(pdus: list[bytes], mtu: int) -> None:
    values = Values(status=bytes(300))
    server = served(values, mtu)
    for pdu in pdus:
        answer = server.receive(pdu)
        assert answer is None or len(answer) <= max(server.mtu, 23)
        assert (answer is None) == (not att.wants_answer(pdu))
        assert len(server._prepared) <= MAX_PREPARED
        assert sum(len(part.value) for part in server._prepared) <= MAX_PREPARED_BYTES
    assert all(len(value) <= att.MAX_VALUE_BYTES for _, value in values.written)


def procedures(mtu: int) -> list[Procedure[object]]:
    """Every procedure of a client."""
    return [
        exchange_mtu(),
        find_services(FOREIGN_SERVICE),
        find_characteristics(FoundService(1, 0xFFFF)),
        read_long(STATUS, mtu),
        write_long(P2P, bytes(512), mtu),
    ]


@given(st.lists(ATT_PDUS, min_size=1, max_size=20), st.sampled_from([23, 64, 517]))
def test_any_server_is_done_with_in_bounded_steps(answers: list[bytes], mtu: int) -> None:
    for procedure in procedures(mtu):
        given_answers = iter(answers)
        with suppress(att.AttError, GattError, PacketError):
            # After these the last one comes for ever; lists that grow by one handle a time are its longest life.
            ask(procedure, lambda request, left=given_answers: next(left, answers[-1]), most=100)  # type: ignore[misc]


# The whole stack.


CONTROLLER_SAYS = (
    st.sampled_from(EVENTS).flatmap(packets).filter(lambda event: len(build(event)) < 255).map(build_event)
    | st.builds(build_acl, st.integers(0, 4), st.integers(0, 2), L2CAP_PDUS | st.binary(max_size=30))
    | st.binary(max_size=40)
)
WAITS_MS = st.sampled_from([0, 1, 100, 40_000])


async def _station(chip: FakeController, radio: Radio) -> Peripheral:
    def serve(connection: Connection) -> Sequence[Service]:
        return Values().services()

    peripheral = Peripheral(radio, Advertising(bytes(31), bytes(31), OUR_ADDRESS), serve, Limits(slots=3))
    await peripheral.start()
    return peripheral


@whole_stack
@given(st.lists(st.tuples(CONTROLLER_SAYS, WAITS_MS), max_size=20), st.booleans(), st.booleans())
def test_a_mad_controller(says: list[tuple[bytes, int]], in_sets: bool, calls: bool) -> None:
    async def test() -> None:
        chip = FakeController(in_sets=in_sets)
        async with radio_on(chip) as radio:
            await _station(chip, radio)
            connecting = aio.create_task(_connect(radio)) if calls else None
            for packet, wait_ms in says:
                chip.send(packet)
                await aio.sleep_ms(wait_ms)
            if radio.host.death is None:
                chip.die()
            await settle()
            assert isinstance(radio.host.death, RadioError)
            assert radio.connections == {}
            if connecting:
                await connecting

    run(test())


async def _connect(radio: Radio) -> None:
    with suppress(RadioError, RemoteProtocolError, ConnectionLostError):
        connection = await radio.connect(OUR_ADDRESS)
        await connection.agree_on_mtu()


STEPS = (
    st.tuples(st.just("arrive"), st.integers(1, 6), st.just(b""))
    | st.tuples(st.just("leave"), st.integers(1, 6), st.just(b""))
    | st.tuples(st.just("say"), st.integers(1, 6), L2CAP_PDUS)
    | st.tuples(st.just("wait"), WAITS_MS, st.just(b""))
)


@whole_stack
@given(st.lists(STEPS, max_size=40), st.booleans(), st.integers(2, 8))
def test_whatever_phones_do_the_station_stays_visible(
    steps: list[tuple[str, int, bytes]], in_sets: bool, slots: int
) -> None:
    async def test() -> None:
        chip = FakeController(in_sets=in_sets, slots=slots)
        async with radio_on(chip) as radio:
            peripheral = await _station(chip, radio)
            for step, number, pdu in steps:
                if step == "arrive" and number not in chip.links and chip.advertising:
                    chip.connect(number)
                elif step == "leave" and number in chip.links:
                    chip.disconnect(number)
                elif step == "say" and number in chip.links:
                    chip.hear(number, pdu)
                elif step == "wait":
                    await aio.sleep_ms(number)
            await settle()
            assert chip.advertising
            assert radio.connections.keys() == chip.links.keys()
            await aio.sleep_ms(100_000)
            assert chip.links == {}
            await peripheral.stop()
            assert not chip.advertising

    run(test())


# The alliance.


PARTS = st.lists(
    st.tuples(
        st.sampled_from([b'{"id":"', b'"}', b"{", b"}", b'"', b":", b'{"a":{"b":1}}', b"\\", b"\xff"])
        | st.binary(max_size=600),
        st.integers(0, 6_000),
    ),
    max_size=30,
)


@given(PARTS)
def test_any_writes_are_kept_within_bounds(parts: list[tuple[bytes, int]]) -> None:
    inbox, now_ms = Inbox(), 0
    for part, pause_ms in parts:
        now_ms += pause_ms
        with suppress(RemoteProtocolError):
            value = inbox.put(part, now_ms)
            assert value is None or b"}" in value
        assert len(inbox._held) <= MAX_BYTES
