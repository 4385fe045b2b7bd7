"""What the supplicant's table promises, and what no sequence of frames can make it do."""

from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from stack.wlan import handshake
from stack.wlan.eapol import (
    Gtk,
    KeyFrame,
    KeyInformation,
    build_key_frame,
    build_signed,
    has_good_mic,
    parse_key_frame,
)
from stack.wlan.handshake import (
    Authorised,
    Discarded,
    Effect,
    Failed,
    Failure,
    Input,
    InstallGroup,
    InstallPairwise,
    SendEapol,
    State,
    Supplicant,
)
from tests.unit.wlan.authenticator import Authenticator
from tests.unit.wlan.pair import GTK, NEXT_GTK, SNONCE, authorised, met, sent, started

RULES = handshake._RULES


def test_every_state_is_reachable_and_every_one_leads_to_failed() -> None:
    reached = {State.AWAITING_M1}
    for _ in State:
        reached |= {rule.to for (state, _), rule in RULES.items() if state in reached}
    assert reached == set(State)
    for state in set(State) - {State.FAILED}:
        assert RULES[state, Input.LEFT].to is State.FAILED
        assert state is State.AUTHORISED or RULES[state, Input.TIMEOUT].to is State.FAILED
    assert not any(state is State.FAILED for state, _ in RULES)


def test_every_failure_is_said_once_and_last() -> None:
    said = set()
    for (state, _), rule in RULES.items():
        effects = [effect for act in rule.do for effect in act(_fresh(state))]
        failures = [each for each in effects if isinstance(each, Failed)]
        assert len(failures) == (rule.to is State.FAILED)
        assert not failures or effects == failures
        said |= {each.reason for each in failures}
    assert said == set(Failure)


def test_keys_are_installed_by_the_messages_that_may() -> None:
    installing = {
        (state, occasion)
        for (state, occasion), rule in RULES.items()
        if {Supplicant._install_pairwise, Supplicant._install_group} & set(rule.do)
    }
    assert installing == {
        (State.AWAITING_M3, Input.M3),
        (State.AUTHORISED, Input.M3),
        (State.AUTHORISED, Input.M3_AGAIN),
        (State.AUTHORISED, Input.GROUP_1),
    }
    pairwise = {where for where, rule in RULES.items() if Supplicant._install_pairwise in rule.do}
    assert pairwise == {(State.AWAITING_M3, Input.M3), (State.AUTHORISED, Input.M3)}


def _fresh(state: State) -> Supplicant:
    supplicant, _ = {State.AWAITING_M1: started, State.AWAITING_M3: met}.get(state, authorised)()
    return supplicant


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """A frame as somebody without the keys can make it, more or less like a right one."""
    bits = [each for each in KeyInformation if draw(st.booleans())]
    information = KeyInformation(sum(bits))
    frame = KeyFrame(
        draw(st.sampled_from((information, KeyInformation(0x13C8), KeyInformation(0x1380), KeyInformation(0x0088)))),
        draw(st.integers(0, 5) | st.just(2**64 - 1)),
        nonce=draw(st.sampled_from((b"A" * 32, b"B" * 32, SNONCE))),
        key_length=16,
        mic=draw(st.binary(min_size=16, max_size=16)),
        key_data=draw(st.binary(max_size=64)),
        descriptor_version=draw(st.sampled_from((2, 2, 2, 0, 1, 3))),
    )
    if draw(st.booleans()):
        return build_signed(frame, b"k" * 16) if frame.descriptor_version in (2, 3) else b""
    return build_key_frame(frame)


@given(st.lists(st.binary(max_size=160) | forged(), max_size=12), st.sampled_from(State))
def test_frames_without_a_valid_mic_never_install(frames: list[bytes], state: State) -> None:
    supplicant = _fresh(state)
    before = supplicant.state
    for frame in frames:
        for effect in supplicant.frame_received(frame, 0):
            # Message 1 has no MIC; it may make us answer, and that is all.
            assert isinstance(effect, SendEapol | Discarded)
    assert (supplicant.state is State.AUTHORISED) == (before is State.AUTHORISED)
    assert supplicant.state is not State.FAILED


GTKS = (GTK, NEXT_GTK, Gtk(1, b"O" * 16), Gtk(3, NEXT_GTK.key))
PLAYS = st.one_of(
    st.tuples(st.just("message 1"), st.sampled_from((b"A" * 32, b"A" * 32, b"B" * 32))),
    st.tuples(st.just("message 3"), st.just(0)),
    st.tuples(st.just("change"), st.just(0)),
    st.tuples(st.just("group"), st.integers(0, len(GTKS) - 1)),
    st.tuples(st.just("again"), st.integers(0, 20)),
    st.tuples(st.just("forged"), forged()),
)


def _frame(
    play: tuple[str, int | bytes], supplicant: Supplicant, authenticator: Authenticator, said: list[bytes]
) -> bytes:
    match play:
        case "change", _:
            authenticator.anonce = len(said).to_bytes(32)
            return authenticator.receive(sent(supplicant.frame_received(authenticator.m1(), 0))) or b""
        case "message 1", bytes(anonce):
            authenticator.anonce = anonce
            return authenticator.m1()
        case "message 3", _:
            return authenticator.m3()
        case "group", int(number):
            return authenticator.group_1(GTKS[number])
        case "again", int(number):
            return said[number % len(said)] if said else b""
        case _, bytes(frame):
            return frame
    raise AssertionError(play)


@given(st.lists(PLAYS, min_size=1, max_size=25), st.sampled_from((met, authorised)))
def test_whatever_is_played_no_key_goes_in_twice_or_unproven(
    plays: list[tuple[str, int | bytes]], start: Callable[[], tuple[Supplicant, Authenticator]]
) -> None:
    """A right authenticator, an echo and a forger, in any order."""
    supplicant, authenticator = start()
    installed = [authenticator.keys.tk] if start is authorised else []
    said: list[bytes] = []
    done: list[Effect] = []
    for play in plays:
        said.append(_frame(play, supplicant, authenticator, said))
        effects = supplicant.frame_received(said[-1], 0)
        if any(isinstance(each, InstallPairwise | InstallGroup | Authorised) for each in effects):
            assert has_good_mic(authenticator.keys.kck, said[-1])
        done += effects
    counts = Counter(type(each) for each in done)
    assert counts[Authorised] <= (start is met)
    installed += [each.key for each in done if isinstance(each, InstallPairwise)]
    assert len(installed) == len(set(installed))
    assert counts[Failed] == 0
    _check_group_keys([each for each in done if isinstance(each, InstallGroup)], start is authorised)
    _check_counters([parse_key_frame(each.frame) for each in done if isinstance(each, SendEapol)])


def _check_group_keys(installs: list[InstallGroup], has_one: bool) -> None:
    in_use = {GTK.index: GTK.key} if has_one else {}
    for install in installs:
        assert install.key not in in_use.values()
        in_use[install.index] = install.key


def _check_counters(answers: list[KeyFrame]) -> None:
    """Answers to what had a MIC never go back."""
    counters = [each.replay_counter for each in answers if KeyInformation.SECURE in each.information]
    assert counters == sorted(set(counters))
