"""A receiver and a sender face to face in memory, with something happening after each of their steps."""

from collections import deque
from collections.abc import Callable

import pytest

from stack.alliance.effects import (
    Ask,
    Effect,
    Finished,
    OutcomeKind,
    RefuseDownload,
    SaveText,
    SendText,
    ServeBody,
    StartDownload,
    StopBody,
    StopDownload,
)
from stack.alliance.messages import SendRequest
from stack.alliance.receiver import Receiver
from stack.alliance.sender import Sender

FILES = SendRequest("7", "1c5e", "Phone", "a.jpg", "image/jpeg", 2, 100)
TEXT = SendRequest("7", "1c5e", "Phone", text="hello\nworld")
PIECES = 3
LONGEST_SESSION_S = 200.0


class Pair:
    """Both machines, an ordered wire, a body of three pieces, and a clock that moves only when nothing else does."""

    def __init__(self, offer: SendRequest = FILES, *, accepts: bool | None = True) -> None:
        self.now = 0.0
        self.receiver, self.sender = Receiver(now=0), Sender(offer, now=0)
        self.accepts = accepts
        self.todo: deque[Callable[[], None]] = deque()
        self.connected = True
        self.body_flows = False
        self.stored: list[str] = []
        self.transcript: list[str] = []
        self.todo.append(lambda: self.of_receiver(self.receiver.opened(self.now)))
        self.todo.append(lambda: self.of_sender(self.sender.opened(self.now)))

    def run(self, disturb_at: int = -1, disturb: Callable[["Pair"], None] = lambda _: None) -> tuple[str, str]:
        """Run to the end, with `disturb` after step `disturb_at`; return how receiver and sender see it."""
        for step in range(1000):
            if step == disturb_at:
                disturb(self)
            if not self.step():
                break
        assert self.receiver.outcome is not None
        assert self.sender.outcome is not None
        assert self.now <= LONGEST_SESSION_S
        self.check()
        return self.receiver.outcome.kind.value, self.sender.outcome.kind.value

    def check(self) -> None:
        """The law of both: ok means safe, and nobody is told more than is true."""
        assert self.receiver.outcome is not None
        assert self.sender.outcome is not None
        said_ok = any('"type":1' in line for line in self.transcript)
        assert not said_ok or self.stored
        if self.sender.outcome.kind is OutcomeKind.SAFE:
            assert said_ok
        if self.receiver.outcome.kind in (OutcomeKind.SAFE, OutcomeKind.UNCONFIRMED):
            assert self.stored

    def step(self) -> bool:
        if self.todo:
            self.todo.popleft()()
            return True
        deadlines = [each.deadline for each in (self.receiver, self.sender) if each.deadline is not None]
        if not deadlines:
            return False
        self.now = min(deadlines)
        self.of_receiver(self.receiver.tick(self.now))
        self.of_sender(self.sender.tick(self.now))
        return True

    def lose_websocket(self) -> None:
        if self.connected:
            self.connected = False
            self.of_receiver(self.receiver.disconnected(self.now))
            self.of_sender(self.sender.disconnected(self.now))

    def of_receiver(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case SendText():
                    self.transmit("<", effect.text)
                case Ask() if self.accepts is not None:
                    decide = self.receiver.accept if self.accepts else self.receiver.refuse
                    self.todo.append(lambda decide=decide: self.of_receiver(decide(self.now)))  # type: ignore[misc]
                case StartDownload(target="/download?taskId=7"):
                    self.todo.append(self.request_body)
                case SaveText():
                    self.stored.append(effect.text)
                    self.todo.append(lambda: self.of_receiver(self.receiver.safe(self.now)))
                case StopDownload():
                    self.break_body()
                case Finished():
                    self.todo.append(self.lose_websocket)

    def of_sender(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case SendText():
                    self.transmit(">", effect.text)
                case ServeBody():
                    self.body_flows = True
                    self.todo.append(lambda: self.flow(PIECES))
                case RefuseDownload():
                    self.of_receiver(self.receiver.failed("broken transfer", OutcomeKind.BROKEN, self.now))
                case StopBody():
                    self.break_body()
                case Finished():
                    self.todo.append(self.lose_websocket)

    def transmit(self, direction: str, text: str) -> None:
        if not self.connected:
            return
        self.transcript.append(f"{direction} {text}")
        self.todo.append(lambda: self.deliver(direction, text))

    def deliver(self, direction: str, text: str) -> None:
        if not self.connected:
            return
        if direction == ">":
            self.of_receiver(self.receiver.text_received(text, self.now))
        else:
            self.of_sender(self.sender.text_received(text, self.now))

    def request_body(self) -> None:
        self.of_sender(self.sender.download_requested("7", self.now))

    def flow(self, pieces: int) -> None:
        if not self.body_flows:
            return
        self.of_sender(self.sender.progressed(self.now))
        self.of_receiver(self.receiver.progressed(self.now))
        if pieces > 1:
            self.todo.append(lambda: self.flow(pieces - 1))
            return
        self.body_flows = False
        self.of_sender(self.sender.body_sent(self.now))
        self.of_receiver(self.receiver.body_complete(self.now))
        self.todo.append(self.settle)

    def settle(self) -> None:
        self.stored.append("files")
        self.of_receiver(self.receiver.safe(self.now))

    def break_body(self) -> None:
        """Both ends of the download see it break, unless it has ended."""
        if self.body_flows:
            self.body_flows = False
            self.of_sender(self.sender.body_broken(self.now))
            self.of_receiver(self.receiver.failed("broken transfer", OutcomeKind.BROKEN, self.now))


def steps_of(offer: SendRequest) -> int:
    pair, steps = Pair(offer), 0
    while pair.step():
        steps += 1
    return steps


def test_a_whole_session_word_for_word() -> None:
    pair = Pair()
    assert pair.run() == ("safe", "safe")
    assert pair.transcript == [
        '> action:0:versionNegotiation?{"version":1,"versions":[1]}',
        '< ack:0:versionNegotiation?{"version":1,"threadLimit":5}',
        '> action:1:sendRequest?{"taskId":"7","id":"7","senderId":"1c5e","senderName":"Phone","fileName":"a.jpg",'
        '"mimeType":"image/jpeg","fileCount":2,"totalSize":100}',
        "< ack:1:sendRequest",
        '< action:99:status?{"taskId":"7","type":1,"reason":"ok","id":"7"}',
        "> ack:99:status",
    ]
    assert pair.now == 0, "nobody waits for a clock, not even the sender that lingers: the receiver hangs up first"


def test_text_goes_without_a_download() -> None:
    pair = Pair(TEXT)
    assert pair.run() == ("safe", "safe")
    assert pair.stored == ["hello\nworld"]


def test_refusal() -> None:
    pair = Pair(accepts=False)
    assert pair.run() == ("refused", "refused")
    assert '< action:99:status?{"taskId":"7","type":3,"reason":"user refuse","id":"7"}' in pair.transcript


def test_nobody_decides() -> None:
    pair = Pair(accepts=None)
    assert pair.run() == ("refused", "refused")
    assert pair.now == 10


EVERY_STEP = range(steps_of(FILES))


@pytest.mark.parametrize("step", EVERY_STEP)
def test_receiver_cancels_after_any_step(step: int) -> None:
    pair = Pair()
    ours, theirs = pair.run(step, lambda pair: pair.of_receiver(pair.receiver.cancel(pair.now)))
    assert ours in ("cancelled", "safe")
    # Before there is an offer the receiver has nothing to name in a cancel: it hangs up.
    assert theirs == ours or (ours == "cancelled" and theirs == "broken")
    assert pair.now <= 2


@pytest.mark.parametrize("step", EVERY_STEP)
def test_sender_cancels_after_any_step(step: int) -> None:
    pair = Pair()
    ours, theirs = pair.run(step, lambda pair: pair.of_sender(pair.sender.cancel(pair.now)))
    assert theirs in ("cancelled", "safe")
    assert ours == theirs or (theirs == "cancelled" and ours == "broken")
    assert pair.now <= 2


@pytest.mark.parametrize("step", EVERY_STEP)
def test_websocket_is_lost_after_any_step(step: int) -> None:
    pair = Pair()
    ours, theirs = pair.run(step, Pair.lose_websocket)
    assert ours in ("safe", "unconfirmed", "broken")
    assert theirs in ("safe", "unconfirmed", "broken")
    assert (ours in ("safe", "unconfirmed")) == bool(pair.stored)
    assert theirs != "safe" or ours in ("safe", "unconfirmed")


def test_each_ending_of_a_lost_websocket_occurs() -> None:
    ends = {Pair().run(step, Pair.lose_websocket) for step in EVERY_STEP}
    assert {("broken", "broken"), ("unconfirmed", "unconfirmed"), ("safe", "safe")} <= ends


@pytest.mark.parametrize("step", range(steps_of(TEXT)))
def test_text_share_is_disturbed_after_any_step(step: int) -> None:
    for disturb in (
        Pair.lose_websocket,
        lambda pair: pair.of_receiver(pair.receiver.cancel(pair.now)),
        lambda pair: pair.of_sender(pair.sender.cancel(pair.now)),
    ):
        pair = Pair(TEXT)
        ours, _ = pair.run(step, disturb)
        assert bool(pair.stored) == (ours in ("safe", "unconfirmed"))
