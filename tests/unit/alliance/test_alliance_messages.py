"""Messages of the WebSocket: the vectors in both directions, lenient reading, and anything at all."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import RemoteProtocolError
from stack.alliance.jsonobject import JsonError, JsonObject, parse_object
from stack.alliance.messages import (
    Message,
    MessageType,
    SendRequest,
    StatusType,
    ack_of,
    download_target,
    parse_message,
    parse_send_request,
    parse_status,
    send_request,
    status,
    version_negotiation,
)

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "alliance.json").read_text())[
    "websocket"
]
GOOD = [case for case in VECTORS if case["parsed"] is not None and not isinstance(case["parsed"]["payload"], list)]
BAD = [case for case in VECTORS if case not in GOOD]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: str(case["text"][:40]))
def test_message_in_both_directions(case: dict[str, Any]) -> None:
    expected = case["parsed"]
    message = parse_message(case["text"])
    assert (message.type.value, message.id, message.name) == (expected["type"], expected["id"], expected["name"])
    assert (None if message.payload is None else message.payload.fields) == expected["payload"]
    assert parse_message(message.to_text()) == message


@pytest.mark.parametrize("case", BAD, ids=lambda case: str(case["text"][:40]))
def test_what_is_no_message_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_message(case["text"])


def test_our_messages_are_those_of_the_vectors() -> None:
    texts = {case["text"] for case in VECTORS}
    assert ack_of(parse_message("action:1:sendRequest?{}")).to_text() in texts
    negotiation = parse_message('action:0:versionNegotiation?{"version":2}')
    assert ack_of(negotiation).to_text() == 'ack:0:versionNegotiation?{"version":1,"threadLimit":5}'
    assert status(99, "7", StatusType.OK, "ok").to_text() in texts
    assert status(99, "7", StatusType.CANCEL, "user refuse").to_text() in texts
    assert version_negotiation(0).to_text() == 'action:0:versionNegotiation?{"version":1,"versions":[1]}'


def test_version_is_never_a_reason_to_stop() -> None:
    for payload in ("", "?{}", '?{"version":"x"}', '?{"version":1,"versions":"[1]"}', '?{"versions":[1]}'):
        ack = ack_of(parse_message(f"action:0:versionnegotiation{payload}"))
        assert ack.payload is not None
        assert ack.payload.integer("version") == 1
    zero = ack_of(parse_message('action:0:versionNegotiation?{"version":0}'))
    assert zero.payload is not None
    assert zero.payload.integer("version") == 0


def test_offer_survives_the_wire() -> None:
    for offer in (
        SendRequest("7", "1c5e", "张三", "a.jpg", "image/*", 3, 5 << 30),
        SendRequest("7", "1c5e", "张三", "", "text/plain", 1, 6, None, "a\ntext"),
    ):
        assert parse_send_request(parse_message(send_request(1, offer).to_text())) == offer


def test_text_beside_files_is_no_text_share() -> None:
    """Saying ok to the text would say it for files that nobody fetched."""
    assert read_offer(id="7", fileCount=1, catShareText="hi").text == "hi"
    assert read_offer(id="7", fileCount=2, catShareText="hi").text is None
    assert read_offer(id="7", fileCount=12, catShareText="").text is None


def read_offer(**fields: object) -> SendRequest:
    return parse_send_request(Message(MessageType.ACTION, 1, "sendRequest", JsonObject(fields)))


def test_offer_is_read_leniently() -> None:
    assert read_offer(id=7) == SendRequest("7", file_count=0)
    assert read_offer(taskId="a", id="b").task_id == "a"
    assert read_offer(id="7", fileCount="2", totalSize="10").file_count == 2
    assert read_offer(id="7", totalSize=-(2**31)).total_bytes == 0
    assert read_offer(id="7", fileCount=10**12).file_count == 1_000_000
    assert read_offer(id="7", senderName="\u202e\x1bA" * 100).sender_name == "A" * 64
    assert read_offer(id="7", thumbnail="/thumbnail?taskId=7").thumbnail == "/thumbnail?taskId=7"
    for bad in ("https://elsewhere/", "//elsewhere/", "/../x", "/a\r\nb", "/a b", "x" * 10_000):
        assert read_offer(id="7", thumbnail=bad).thumbnail is None


@pytest.mark.parametrize("task_id", [None, "", "a b", "a\r\nX: y", "a&b", "a#b", "a%20", "x" * 65, [1], {}, "é"])
def test_task_id_that_would_break_the_request_is_refused(task_id: object) -> None:
    with pytest.raises(RemoteProtocolError):
        read_offer(taskId=task_id)


def test_task_id_goes_unescaped() -> None:
    assert download_target("-1753642990") == "/download?taskId=-1753642990"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('action:0:status?{"type":1,"id":"7"}', (StatusType.OK, "", "7")),
        ('action:2:STATUS?{"type":3,"reason":"timeout","taskId":"7","id":"8"}', (StatusType.CANCEL, "timeout", "7")),
        ('action:2:status?{"type":"2","reason":"no enough space"}', (StatusType.FAILURE, "no enough space", None)),
        ("action:2:status", (StatusType.FAILURE, "", None)),
        ('action:2:status?{"type":9}', (StatusType.FAILURE, "", None)),
        ('action:2:stat?{"reason":"user interrupt"}', (StatusType.CANCEL, "user interrupt", None)),
    ],
)
def test_status_is_read(text: str, expected: tuple[StatusType, str, str | None]) -> None:
    verdict = parse_status(parse_message(text))
    assert verdict is not None
    assert (verdict.type, verdict.reason, verdict.task_id) == expected
    assert verdict.concerns("7")
    assert verdict.concerns("9") == (expected[2] is None)


def test_other_actions_are_no_status() -> None:
    assert parse_status(parse_message("action:0:wlanBandwidth")) is None


@given(
    st.text(max_size=200)
    | st.builds("action:{}:{}?{}".format, st.integers(), st.sampled_from(["status", "sendRequest"]), st.text())
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        message = parse_message(text)
        parse_status(message)
        parse_send_request(message)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "{} {}",
        '{"a":1,"a":2}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":' * 17 + "1" + "}" * 17,
        "[" * 100_000,
        '{"a":[' + "[],[]," * 100_000,
        '{"a":"\ud800"}',
        '{"a":1',
        '{"a":"' + "x" * 3_000_000 + '"}',
    ],
    ids=lambda text: text[:20],
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(JsonError):
        parse_object(text, 2_000_000)


def test_json_of_strangers_is_typed_when_read() -> None:
    fields = parse_object('{"i":' + "9" * 5000 + ',"f":3.0,"b":true,"s":"\\ud800x","n":"-12","h":1e400}', 20_000)
    assert fields.integer("i") == 2**63 - 1
    assert (fields.integer("f"), fields.integer("b"), fields.integer("n"), fields.integer("h")) == (3, None, -12, None)
    assert fields.text("s") == "\ufffdx"
    assert fields.text("b") is None
    assert json.loads(fields.to_json())["n"] == "-12"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    with contextlib.suppress(JsonError):
        parse_object(data, 100)
