"""The two session machines: their tables as tables, by themselves, and face to face in memory."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from board.errors import LocalProtocolError
from stack.alliance import receiver as receiving
from stack.alliance import sender as sending
from stack.alliance.effects import (
    Ask,
    Drop,
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

OFFER = SendRequest("7", "1c5e", "Phone", "a.jpg", "image/jpeg", 2, 100)
OFFER_TEXT = (
    'action:1:sendRequest?{"taskId":"7","id":"7","senderId":"1c5e","senderName":"P","fileCount":2,"totalSize":9}'
)
TABLES: list[Any] = [receiving, sending]


@pytest.mark.parametrize("module", TABLES, ids=["receiver", "sender"])
class TestTable:
    def test_every_state_is_reached(self, module: Any) -> None:
        reached, fresh = {module._LAW.start}, {module._LAW.start}
        while fresh:
            fresh = {rule.to for (state, _), rule in module._RULES.items() if state in fresh} - reached
            reached |= fresh
        assert reached == set(module.State)

    def test_every_state_has_a_limit_and_a_way_out(self, module: Any) -> None:
        limits = module._limits(module.Timeouts())
        assert set(limits) == set(module.State) - {module.State.DONE}
        assert all(limit > 0 for limit in limits.values())
        for state in limits:
            assert (state, module.Input.TIMEOUT) in module._RULES

    def test_every_state_leads_home_by_silence(self, module: Any) -> None:
        for state in module.State:
            steps = 0
            while state is not module.State.DONE:
                state = module._RULES[state, module.Input.TIMEOUT].to
                steps += 1
                assert steps < 4

    def test_every_state_that_has_a_websocket_survives_its_loss(self, module: Any) -> None:
        for state in module.State:
            if not state.name.endswith("ALONE") and state is not module.State.DONE:
                assert (state, module.Input.DISCONNECTED) in module._RULES

    def test_no_rule_is_also_harmless(self, module: Any) -> None:
        for state, inputs in module._HARMLESS.items():
            assert not {(state, occasion) for occasion in inputs} & set(module._RULES)


def receiver_in(state: receiving.State, text: bool = False) -> Receiver:
    """A receiver that has been led into `state`."""
    machine = Receiver(now=0)
    offer = OFFER_TEXT.replace('"fileCount":2', '"catShareText":"hi","fileCount":1') if text else OFFER_TEXT
    ways: dict[str, list[Callable[[], object]]] = {
        "CONNECTING": [],
        "WAITING": [lambda: machine.opened(0)],
        "ASKING": [lambda: machine.text_received(offer, 0)],
        "RECEIVING": [lambda: machine.accept(0)],
        "RECEIVING_ALONE": [lambda: machine.accept(0), lambda: machine.disconnected(0)],
        "SETTLING": [lambda: machine.accept(0), lambda: machine.body_complete(0)],
        "SETTLING_ALONE": [
            lambda: machine.accept(0),
            lambda: machine.body_complete(0),
            lambda: machine.disconnected(0),
        ],
        "CONFIRMING": [lambda: machine.accept(0), lambda: machine.body_complete(0), lambda: machine.safe(0)],
        "ENDING": [lambda: machine.refuse(0)],
        "DONE": [lambda: machine.disconnected(0)],
    }
    if state.name not in ("CONNECTING", "WAITING"):
        machine.opened(0)
    if state.name not in ("CONNECTING", "WAITING", "ASKING", "DONE"):
        machine.text_received(offer, 0)
    for step in ways[state.name]:
        step()
    assert machine.state is state
    return machine


def sent(effects: tuple[Effect, ...]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, SendText)]


def run_out(machine: Receiver | Sender) -> list[Effect]:
    """Let time pass until the machine is home."""
    effects: list[Effect] = []
    for _ in range(10):
        if machine.deadline is None:
            break
        effects += machine.tick(machine.deadline)
    assert machine.outcome is not None
    return effects


def test_good_reception() -> None:
    machine = receiver_in(receiving.State.WAITING)
    ask = machine.text_received(OFFER_TEXT, 0)
    assert sent(ask) == ["ack:1:sendRequest"]
    assert isinstance(ask[1], Ask)
    assert machine.accept(0) == (StartDownload("/download?taskId=7"),)
    assert machine.progressed(20) == ()
    assert machine.deadline == 50
    assert machine.body_complete(21) == ()
    assert sent(machine.safe(21)) == ['action:99:status?{"taskId":"7","type":1,"reason":"ok","id":"7"}']
    (finished,) = machine.text_received("ack:99:status", 21)
    assert isinstance(finished, Finished)
    assert finished.outcome.kind is OutcomeKind.SAFE
    assert machine.deadline is None


def test_ok_is_never_said_before_safe() -> None:
    """Whatever happens in whatever order: type 1 leaves the receiver only in answer to `safe`."""
    dice = random.Random(1)
    calls: list[Callable[[Receiver], tuple[Effect, ...]]] = [
        lambda machine: machine.progressed(0),
        lambda machine: machine.body_complete(0),
        lambda machine: machine.disconnected(0),
        lambda machine: machine.text_received("ack:99:status", 0),
        lambda machine: machine.text_received(OFFER_TEXT, 0),
        lambda machine: machine.text_received('action:2:status?{"type":1,"id":"7"}', 0),
        lambda machine: machine.cancel(0),
        lambda machine: machine.accept(0),
        lambda machine: machine.tick(1000),
        lambda machine: machine.failed("x", OutcomeKind.BROKEN, 0),
    ]
    for _ in range(500):
        machine = receiver_in(receiving.State.RECEIVING)
        for call in dice.choices(calls, k=6):
            try:
                effects = call(machine)
            except LocalProtocolError:
                break
            assert '"type":1' not in "".join(sent(effects))
        assert machine.outcome is None or machine.outcome.kind is not OutcomeKind.SAFE


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("CONNECTING", OutcomeKind.TIMED_OUT),
        ("WAITING", OutcomeKind.TIMED_OUT),
        ("ASKING", OutcomeKind.REFUSED),
        ("RECEIVING", OutcomeKind.TIMED_OUT),
        ("RECEIVING_ALONE", OutcomeKind.TIMED_OUT),
        ("SETTLING", OutcomeKind.BROKEN),
        ("SETTLING_ALONE", OutcomeKind.BROKEN),
        ("CONFIRMING", OutcomeKind.UNCONFIRMED),
        ("ENDING", OutcomeKind.REFUSED),
    ],
)
def test_silence_in_every_state_of_the_receiver(state: str, kind: OutcomeKind) -> None:
    machine = receiver_in(receiving.State[state])
    effects = run_out(machine)
    assert machine.outcome is not None
    assert machine.outcome.kind is kind
    assert isinstance(effects[-1], Finished)
    assert (StopDownload() in effects) == state.startswith("RECEIVING")


@pytest.mark.parametrize("state", [state for state in receiving.State if state is not receiving.State.DONE])
def test_loss_of_the_websocket_in_every_state_of_the_receiver(state: receiving.State) -> None:
    machine = receiver_in(state)
    if not state.name.endswith("ALONE"):
        machine.disconnected(0)
    if machine.state is receiving.State.RECEIVING_ALONE:
        machine.body_complete(0)
    if machine.state is receiving.State.SETTLING_ALONE:
        machine.safe(0)
    assert machine.outcome is not None
    done_before = state.name in ("RECEIVING", "RECEIVING_ALONE", "SETTLING", "SETTLING_ALONE", "CONFIRMING")
    assert (machine.outcome.kind is OutcomeKind.UNCONFIRMED) == done_before


def test_text_is_saved_without_a_download() -> None:
    machine = receiver_in(receiving.State.ASKING, text=True)
    assert machine.accept(0) == (SaveText("hi"),)
    assert '"type":1' in sent(machine.safe(0))[0]


def test_every_action_is_acknowledged_once() -> None:
    machine = receiver_in(receiving.State.RECEIVING)
    assert machine.text_received("action:5:wlanBandwidth", 0) == (SendText("ack:5:wlanBandwidth"),)
    assert machine.text_received(OFFER_TEXT, 0) == (SendText("ack:1:sendRequest"),)
    assert machine.text_received("files", 0) == ()
    assert machine.text_received("ack:9:nobodyAsked", 0) == ()
    assert machine.state is receiving.State.RECEIVING


def test_status_for_another_task_is_ignored() -> None:
    machine = receiver_in(receiving.State.RECEIVING)
    machine.text_received('action:2:status?{"taskId":"8","type":3}', 0)
    assert machine.state is receiving.State.RECEIVING
    effects = machine.text_received('action:2:status?{"taskId":"7","type":3,"reason":"user interrupt"}', 0)
    assert StopDownload() in effects
    assert machine.outcome is not None
    assert machine.outcome.kind is OutcomeKind.CANCELLED


def test_misuse_is_a_bug_of_ours() -> None:
    with pytest.raises(LocalProtocolError):
        receiver_in(receiving.State.ASKING).safe(0)
    with pytest.raises(LocalProtocolError):
        Sender(OFFER, now=0).body_sent(0)


def sender_sending() -> Sender:
    machine = Sender(OFFER, now=0)
    assert sent(machine.opened(0)) == ['action:0:versionNegotiation?{"version":1,"versions":[1]}']
    assert "sendRequest" in sent(machine.text_received('ack:0:versionNegotiation?{"version":0}', 0))[0]
    machine.text_received("ack:1:sendRequest", 0)
    assert machine.download_requested("8", 0) == (RefuseDownload(404),)
    assert machine.download_requested("7", 0) == (ServeBody(),)
    assert machine.download_requested("7", 0) == (RefuseDownload(409),)
    return machine


OK = 'action:99:status?{"taskId":"7","type":1,"reason":"ok","id":"7"}'


@pytest.mark.parametrize("last", ["body_sent", "body_broken", None])
def test_ok_is_success_whenever_it_comes(last: str | None) -> None:
    machine = sender_sending()
    if last is not None:
        getattr(machine, last)(0)
    assert sent(machine.text_received(OK, 0)) == ["ack:99:status"]
    effects = run_out(machine)
    assert machine.outcome is not None
    assert machine.outcome.kind is OutcomeKind.SAFE
    assert isinstance(effects[-2], Drop)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ('{"type":3,"reason":"user refuse"}', OutcomeKind.REFUSED),
        ('{"type":3,"reason":"user interrupt"}', OutcomeKind.CANCELLED),
        ('{"type":2,"reason":"no enough space"}', OutcomeKind.NO_SPACE),
        ('{"type":2,"reason":"cannot access"}', OutcomeKind.BROKEN),
        ('{"type":1}', OutcomeKind.SAFE),
        ("{}", OutcomeKind.BROKEN),
    ],
)
def test_verdicts_of_the_receiver(payload: str, kind: OutcomeKind) -> None:
    machine = sender_sending()
    machine.text_received(f"action:99:status?{payload}", 0)
    assert StopBody() in run_out(machine)
    assert machine.outcome is not None
    assert machine.outcome.kind is kind


@pytest.mark.parametrize(
    ("last", "kind"),
    [("body_sent", OutcomeKind.UNCONFIRMED), ("body_broken", OutcomeKind.BROKEN), (None, OutcomeKind.BROKEN)],
)
def test_no_verdict(last: str | None, kind: OutcomeKind) -> None:
    for ending in (run_out, lambda machine: machine.disconnected(0)):
        machine = sender_sending()
        if last is not None:
            getattr(machine, last)(0)
        ending(machine)
        run_out(machine)
        assert machine.outcome is not None
        assert machine.outcome.kind is kind


def test_both_machines_always_come_home_together() -> None:
    """Random walks of both ends over a lossy wire, with users who cancel and refuse."""
    seen: set[tuple[OutcomeKind, OutcomeKind]] = set()
    for seed in range(2000):
        seen.add(Walk(random.Random(seed)).run())
    kinds = {kind for pair in seen for kind in pair}
    assert {OutcomeKind.SAFE, OutcomeKind.REFUSED, OutcomeKind.CANCELLED, OutcomeKind.BROKEN} <= kinds
    # The receiver never claims more than the sender may believe: a sender that hears ok has a receiver that is safe.
    assert all(
        ours in (OutcomeKind.SAFE, OutcomeKind.UNCONFIRMED) for ours, theirs in seen if theirs is OutcomeKind.SAFE
    )


class Walk:
    def __init__(self, dice: random.Random) -> None:
        self.dice, self.now = dice, 0.0
        self.receiver, self.sender = Receiver(now=0), Sender(OFFER, now=0)
        self.wires: dict[str, list[str]] = {"receiver": [], "sender": []}
        self.downloading = self.serving = self.settling = False
        self.connected = True

    def run(self) -> tuple[OutcomeKind, OutcomeKind]:
        self.do("receiver", self.receiver.opened(0))
        self.do("sender", self.sender.opened(0))
        for _ in range(400):
            if self.receiver.outcome and self.sender.outcome:
                return self.receiver.outcome.kind, self.sender.outcome.kind
            self.step()
        raise AssertionError(f"{self.receiver.state} and {self.sender.state} never end")

    def step(self) -> None:
        if self.connected and self.dice.random() < 0.01:
            self.lose()
        choice = self.dice.random()
        if choice < 0.02:
            self.do("sender", self.sender.cancel(self.now))
        elif choice < 0.04 and self.receiver.state is not receiving.State.CONNECTING:
            self.do("receiver", self.receiver.cancel(self.now))
        elif choice < 0.5:
            self.deliver()
        elif choice < 0.9:
            self.work()
        else:
            self.now += self.dice.choice([0.1, 5, 40])
            self.do("receiver", self.receiver.tick(self.now))
            self.do("sender", self.sender.tick(self.now))

    def deliver(self) -> None:
        for name, machine in (("receiver", self.receiver), ("sender", self.sender)):
            if self.wires[name]:
                self.do(name, machine.text_received(self.wires[name].pop(0), self.now))

    def work(self) -> None:
        if self.settling:
            self.settling = False
            self.do("receiver", self.receiver.safe(self.now))
        elif self.downloading and self.serving:
            self.serving = self.downloading = False
            self.do("sender", self.sender.body_sent(self.now))
            self.do("receiver", self.receiver.body_complete(self.now))
            self.settling = True

    def lose(self) -> None:
        self.connected = False
        self.wires = {"receiver": [], "sender": []}
        self.do("receiver", self.receiver.disconnected(self.now))
        self.do("sender", self.sender.disconnected(self.now))

    def do(self, name: str, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case SendText() if self.connected:
                    self.wires["sender" if name == "receiver" else "receiver"].append(effect.text)
                case Ask():
                    decide = self.receiver.refuse if self.dice.random() < 0.1 else self.receiver.accept
                    self.do("receiver", decide(self.now))
                case StartDownload():
                    self.downloading = True
                    self.do("sender", self.sender.download_requested("7", self.now))
                case ServeBody():
                    self.serving = True
                case StopDownload() | StopBody():
                    self.downloading = self.serving = False
                case Finished() if self.connected:
                    self.lose()
