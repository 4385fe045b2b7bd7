"""GATT client procedures: face to face with our server at every MTU, and against servers that lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.alliance.device_info import SERVICE_UUID, STATUS_UUID
from stack.alliance.link_info import P2P_UUID
from stack.ble.att import (
    AttError,
    ErrorCode,
    ErrorResponse,
    ExchangeMtuRequest,
    ExchangeMtuResponse,
    ExecuteWriteRequest,
    ExecuteWriteResponse,
    FindByTypeValueResponse,
    PrepareWriteRequest,
    PrepareWriteResponse,
    ReadBlobResponse,
    ReadByTypeResponse,
    ReadResponse,
    WriteRequest,
    WriteResponse,
    build_pdu,
)
from stack.ble.att_server import AttServer
from stack.ble.gatt import Property, attribute_table
from stack.ble.gatt_client import (
    FoundCharacteristic,
    FoundService,
    GattError,
    exchange_mtu,
    find_characteristics,
    find_services,
    read_long,
    write_long,
)
from tests.unit.ble.attributes import FOREIGN, FOREIGN_SERVICE, FOREIGN_UUID, P2P, STATUS, Values, served
from tests.unit.ble.dialogue import ask, saying, serving

MTUS = (23, 24, 32, 64, 185, 247, 515, 516, 517)
BOTH = Property.READ | Property.WRITE
NOT_FOUND = ErrorResponse(0, 1, ErrorCode.ATTRIBUTE_NOT_FOUND)


def value_of(length: int) -> bytes:
    return bytes(index * 7 & 0xFF for index in range(length))


# Face to face.


def test_both_agree_on_the_mtu() -> None:
    server = AttServer(())
    assert ask(exchange_mtu(), serving(server)) == 517 == server.mtu


@pytest.mark.parametrize(("server_mtu", "agreed"), [(0, 23), (23, 23), (247, 247), (517, 517), (0xFFFF, 517)])
def test_the_mtu_is_what_both_can(server_mtu: int, agreed: int) -> None:
    assert ask(exchange_mtu(), saying(ExchangeMtuResponse(server_mtu))) == agreed


def test_a_server_that_knows_no_mtu_leaves_it_at_23() -> None:
    assert ask(exchange_mtu(), saying(ErrorResponse(2, 0, ErrorCode.REQUEST_NOT_SUPPORTED))) == 23


@pytest.mark.parametrize("mtu", MTUS)
def test_the_alliances_service_is_found(mtu: int) -> None:
    answer = serving(served(Values(), mtu))
    services = ask(find_services(SERVICE_UUID), answer)
    assert services == [FoundService(7, 11)]
    assert ask(find_characteristics(services[0]), answer) == [
        FoundCharacteristic(STATUS_UUID, BOTH, STATUS),
        FoundCharacteristic(P2P_UUID, BOTH, P2P),
    ]
    foreign = ask(find_services(FOREIGN_SERVICE), answer)
    assert foreign == [FoundService(12, 16)]
    assert ask(find_characteristics(foreign[0]), answer)[0] == FoundCharacteristic(FOREIGN_UUID, BOTH, FOREIGN)


def test_a_phone_with_two_of_them_has_two() -> None:
    alliance = Values().services()[2]
    server = AttServer(attribute_table([alliance] * 12))
    found = ask(find_services(SERVICE_UUID), serving(server))
    assert found == [FoundService(5 * number + 1, 5 * number + 5) for number in range(12)]


def test_a_phone_without_it_has_none() -> None:
    assert ask(find_services(SERVICE_UUID), serving(AttServer(()))) == []
    assert ask(find_characteristics(FoundService(6, 6)), serving(served(Values()))) == []


@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("length", [0, 1, 21, 22, 23, 44, 183, 300, 511, 512])
def test_a_value_is_read_whole(mtu: int, length: int) -> None:
    log: list[bytes] = []
    values = Values(status=value_of(length))
    assert ask(read_long(STATUS, mtu), serving(served(values, mtu), log)) == values.status
    # One request more than full ones, and none where 512 bytes are there already.
    assert len(log) <= length // (mtu - 1) + 1


@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("length", [0, 1, 18, 20, 21, 256, 300, 511, 512])
def test_a_value_is_written_whole(mtu: int, length: int) -> None:
    log: list[bytes] = []
    values = Values()
    ask(write_long(P2P, value_of(length), mtu), serving(served(values, mtu), log))
    assert values.written == [(P2P, value_of(length))]
    if length <= mtu - 3:
        assert log == [build_pdu(WriteRequest(P2P, value_of(length)))]


@given(st.binary(max_size=512), st.integers(23, 517))
def test_what_is_written_can_be_read(value: bytes, mtu: int) -> None:
    values = Values()
    answer = serving(served(values, mtu))
    ask(write_long(FOREIGN, value, mtu), answer)
    values.foreign = values.written.pop()[1]
    assert ask(read_long(FOREIGN, mtu), answer) == value


@pytest.mark.parametrize(("handle", "code"), [(P2P, ErrorCode.READ_NOT_PERMITTED), (99, ErrorCode.INVALID_HANDLE)])
def test_a_read_that_is_refused(handle: int, code: int) -> None:
    with pytest.raises(AttError) as caught:
        ask(read_long(handle, 23), serving(served(Values())))
    assert (caught.value.code, caught.value.handle) == (code, handle)


@pytest.mark.parametrize("length", [5, 100])
def test_a_write_that_is_refused(length: int) -> None:
    with pytest.raises(AttError) as caught:
        ask(write_long(STATUS, bytes(length), 23), serving(served(Values())))
    assert (caught.value.code, caught.value.handle) == (ErrorCode.WRITE_NOT_PERMITTED, STATUS)


def test_a_long_write_that_fails_halfway_leaves_no_parts_behind() -> None:
    values = Values()
    server = served(values)
    with pytest.raises(AttError) as caught:
        ask(write_long(P2P, bytes(700), 23), serving(server))  # longer than the queue
    assert caught.value.code == ErrorCode.PREPARE_QUEUE_FULL
    ask(write_long(P2P, value_of(100), 23), serving(server))
    assert values.written == [(P2P, value_of(100))]


# Servers that lie.


def test_a_read_ends_where_the_server_says_that_nothing_is_left() -> None:
    full = ReadResponse(bytes(22))
    assert ask(read_long(1, 23), saying(full, ErrorResponse(0x0C, 1, ErrorCode.INVALID_OFFSET))) == bytes(22)
    assert ask(read_long(1, 23), saying(full, ReadBlobResponse(b""))) == bytes(22)


def test_a_value_without_end_is_cut_at_512_bytes() -> None:
    assert ask(read_long(1, 23), saying(ReadResponse(bytes(22)), ReadBlobResponse(bytes(22)))) == bytes(512)
    assert ask(read_long(1, 23), saying(ReadResponse(bytes(1000)))) == bytes(512)


REPEATED = [
    bytes.fromhex("0100 0500"),
    bytes.fromhex("0100 0000"),
    bytes.fromhex("0000 0000"),
    bytes.fromhex("0500 0200"),
    bytes.fromhex("0700 0b00 0100 0200"),
]


@pytest.mark.parametrize("listed", REPEATED)
def test_services_that_repeat_for_ever(listed: bytes) -> None:
    with pytest.raises(GattError):
        ask(find_services(SERVICE_UUID), saying(FindByTypeValueResponse(listed)), most=10)


@pytest.mark.parametrize("handle", [0, 1, 6, 7])
def test_characteristics_that_repeat_for_ever(handle: int) -> None:
    entry = handle.to_bytes(2, "little") + bytes.fromhex("0a 0900 5499")
    with pytest.raises(GattError):
        ask(find_characteristics(FoundService(7, 0xFFFF)), saying(ReadByTypeResponse(7, entry)), most=10)


def test_lists_that_go_on_and_on() -> None:
    def next_service(request: bytes) -> bytes:
        return build_pdu(FindByTypeValueResponse(request[1:3] * 2))

    def next_characteristic(request: bytes) -> bytes:
        return build_pdu(ReadByTypeResponse(7, request[1:3] + bytes.fromhex("0a 0900 5499")))

    with pytest.raises(GattError, match="without end"):
        ask(find_services(SERVICE_UUID), next_service, most=100)
    with pytest.raises(GattError, match="without end"):
        ask(find_characteristics(FoundService(1, 0xFFFF)), next_characteristic, most=100)


def test_a_service_up_to_the_last_handle_ends_the_search() -> None:
    assert ask(find_services(SERVICE_UUID), saying(FindByTypeValueResponse(b"\x07\x00\xff\xff")), most=1) == [
        FoundService(7, 0xFFFF)
    ]


@pytest.mark.parametrize("listed", [b"", b"\1", bytes(3), bytes(5)])
def test_lists_that_do_not_come_out_even(listed: bytes) -> None:
    with pytest.raises(GattError):
        ask(find_services(SERVICE_UUID), saying(FindByTypeValueResponse(listed)))
    with pytest.raises(GattError):
        ask(find_characteristics(FoundService(1, 9)), saying(ReadByTypeResponse(7, listed)))


@pytest.mark.parametrize("length", [0, 1, 6, 8, 20, 22, 255])
def test_characteristics_of_a_size_that_does_not_exist(length: int) -> None:
    with pytest.raises(GattError):
        ask(find_characteristics(FoundService(1, 9)), saying(ReadByTypeResponse(length, bytes(length))))


ECHOES = {
    "other value": PrepareWriteResponse(P2P, 0, b"x" * 18),
    "shorter": PrepareWriteResponse(P2P, 0, bytes(17)),
    "other offset": PrepareWriteResponse(P2P, 1, bytes(18)),
    "other handle": PrepareWriteResponse(STATUS, 0, bytes(18)),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("then", [ExecuteWriteResponse(), NOT_FOUND])
def test_a_wrong_echo_cancels_the_long_write(
    echo: PrepareWriteResponse, then: ExecuteWriteResponse | ErrorResponse
) -> None:
    requests: list[bytes] = []

    def answer(request: bytes) -> bytes:
        requests.append(request)
        return build_pdu(then if len(requests) > 1 else echo)

    with pytest.raises(GattError, match="wrongly"):
        ask(write_long(P2P, bytes(100), 23), answer)
    assert requests == [build_pdu(PrepareWriteRequest(P2P, 0, bytes(18))), build_pdu(ExecuteWriteRequest(0))]


def test_an_answer_of_another_kind_names_both() -> None:
    with pytest.raises(GattError, match="answers with WriteResponse where ReadResponse is due"):
        ask(read_long(1, 23), saying(WriteResponse()))
    for procedure in (
        exchange_mtu(),
        find_services(SERVICE_UUID),
        find_characteristics(FoundService(1, 9)),
        write_long(1, b"x", 23),
        write_long(1, bytes(100), 23),
    ):
        with pytest.raises(GattError):
            ask(procedure, saying(ReadResponse(b"x")))


@pytest.mark.parametrize("code", [ErrorCode.UNLIKELY_ERROR, ErrorCode.INVALID_HANDLE, 0x80, 0xFF, 0])
def test_other_errors_of_a_search_are_passed_on(code: int) -> None:
    for procedure in (find_services(SERVICE_UUID), find_characteristics(FoundService(1, 9))):
        with pytest.raises(AttError) as caught:
            ask(procedure, saying(ErrorResponse(0x06, 3, code)))
        assert caught.value.code == code


def test_the_first_request_asks_for_the_largest_mtu() -> None:
    assert next(exchange_mtu()) == ExchangeMtuRequest(517)
