"""The supplicant against recordings, against an authenticator, and against peers that mean no good."""

from dataclasses import replace

import pytest

from board.errors import LocalProtocolError
from stack.wlan.eapol import (
    AES_CMAC,
    EapolError,
    Gtk,
    KeyData,
    KeyFrame,
    KeyInformation,
    Message,
    build_key_data,
    build_key_frame,
    build_signed,
    parse_key_frame,
)
from stack.wlan.handshake import (
    Association,
    Authorised,
    Discarded,
    Effect,
    Failed,
    Failure,
    InstallGroup,
    InstallPairwise,
    Limits,
    SendEapol,
    State,
    Supplicant,
)
from stack.wlan.keys import derive_pmk
from stack.wlan.rsn import PSK_CCMP_ELEMENT, Akm, Rsn, build_rsn
from tests.unit.wlan.authenticator import Authenticator
from tests.unit.wlan.pair import GROUP, GTK, NEXT_GTK, SNONCE, authorised, met, sent, started
from tests.unit.wlan.recordings import RECORDINGS, Recording

RSC_7 = b"\x07\0\0\0\0\0"
NO_RSC = bytes(6)


def test_both_ends_meet() -> None:
    supplicant, authenticator = met()
    first, *others = supplicant.frame_received(authenticator.m3(), 20)
    assert others == [InstallPairwise(authenticator.keys.tk), InstallGroup(1, GTK.key, RSC_7), Authorised()]
    assert authenticator.receive(sent((first,))) is None
    assert authenticator.heard == [Message.M2, Message.M4]
    assert supplicant.deadline is None
    assert supplicant.tick(10**9) == ()


def test_the_group_key_changes_at_any_time_after() -> None:
    supplicant, authenticator = authorised()
    for gtk in (NEXT_GTK, Gtk(1, b"M" * 16), Gtk(2, b"O" * 16)):
        install, answer = supplicant.frame_received(authenticator.group_1(gtk, rsc=9), 10**6)
        assert install == InstallGroup(gtk.index, gtk.key, b"\x09\0\0\0\0\0")
        authenticator.receive(sent((answer,)))
    assert authenticator.heard[2:] == [Message.GROUP_2] * 3


def test_the_pairwise_key_changes_at_any_time_after() -> None:
    supplicant, authenticator = authorised()
    for anonce in (b"B" * 32, b"C" * 32):
        authenticator.anonce = anonce
        m3 = authenticator.receive(sent(supplicant.frame_received(authenticator.m1(), 10**6)))
        assert m3
        m4, install = supplicant.frame_received(m3, 10**6)
        assert install == InstallPairwise(authenticator.keys.tk)
        authenticator.receive(sent((m4,)))
    assert authenticator.heard[2:] == [Message.M2, Message.M4] * 2


def test_the_keys_in_use_stay_until_a_change_is_proven() -> None:
    supplicant, authenticator = authorised()
    in_use, authenticator.anonce = authenticator.anonce, b"B" * 32
    m2 = parse_key_frame(sent(supplicant.frame_received(authenticator.m1(), 0)))
    assert m2.nonce not in (SNONCE, bytes(32)), "a change has a nonce of its own"
    install, answer = supplicant.frame_received(authenticator.group_1(NEXT_GTK), 0)
    assert install == InstallGroup(NEXT_GTK.index, NEXT_GTK.key, bytes(6))
    authenticator.receive(sent((answer,)))
    authenticator.anonce = in_use
    authenticator.receive(sent(supplicant.frame_received(authenticator.m3(), 0)[:1]))


def test_message_3_of_a_change_installs_once() -> None:
    supplicant, authenticator = authorised()
    authenticator.anonce = b"B" * 32
    authenticator.receive(sent(supplicant.frame_received(authenticator.m1(), 0)))
    supplicant.frame_received(authenticator.m3(), 0)
    sent(supplicant.frame_received(authenticator.m3(), 0))


@pytest.mark.parametrize("recording", RECORDINGS.values(), ids=list(RECORDINGS))
def test_recorded_handshakes_are_repeated_byte_for_byte(recording: Recording) -> None:
    pmk = derive_pmk(recording.values["ssid"].encode(), recording.values["passphrase"])
    association = Association(pmk, recording.spa, recording.aa, PSK_CCMP_ELEMENT, recording.peer_rsn)
    supplicant = Supplicant(association, lambda: recording.snonce, now=0)
    effects: list[Effect] = []
    for is_ours, frame in recording.frames:
        if not is_ours:
            effects += supplicant.frame_received(frame, 0)
    said = [each.frame for each in effects if isinstance(each, SendEapol)]
    assert said == [frame for is_ours, frame in recording.frames if is_ours]
    assert not [each for each in effects if isinstance(each, Discarded | Failed)]
    assert [each for each in effects if isinstance(each, InstallPairwise)] == [InstallPairwise(recording.tk)]
    installed = [(each.index, each.key) for each in effects if isinstance(each, InstallGroup)]
    assert installed[0] == (recording.values["gtk_index"], recording.gtk)
    if "new_gtk" in recording.values:
        assert (recording.values["new_gtk_index"], recording.new_gtk) in installed


# Messages that come again.


def test_message_1_again_is_answered_with_the_same_nonce() -> None:
    supplicant, authenticator = started()
    first = parse_key_frame(sent(supplicant.frame_received(authenticator.m1(), 0)))
    second = parse_key_frame(sent(supplicant.frame_received(authenticator.m1(), 100)))
    assert (first.nonce, second.nonce) == (SNONCE, SNONCE)
    assert (first.replay_counter, second.replay_counter) == (1, 2)


def test_an_authenticator_that_begins_anew_is_followed() -> None:
    supplicant, _ = met()
    again = Authenticator(GROUP, anonce=b"B" * 32, gtk=GTK)
    again.receive(sent(supplicant.frame_received(again.m1(), 0)))
    assert InstallPairwise(again.keys.tk) in supplicant.frame_received(again.m3(), 0)


def test_message_3_again_is_answered_and_installs_nothing() -> None:
    """KRACK: installing a key again would set its counters back."""
    supplicant, authenticator = authorised()
    for _ in range(3):
        answer = sent(supplicant.frame_received(authenticator.m3(rsc=0), 0))
        authenticator.receive(answer)
    assert authenticator.heard == [Message.M2] + [Message.M4] * 4


def test_message_3_again_may_bring_the_next_group_key() -> None:
    supplicant, authenticator = authorised()
    authenticator.gtk = NEXT_GTK
    answer, install = supplicant.frame_received(authenticator.m3(), 0)
    authenticator.receive(sent((answer,)))
    assert install == InstallGroup(2, NEXT_GTK.key, RSC_7)


def test_a_group_message_again_is_answered_and_installs_nothing() -> None:
    supplicant, authenticator = authorised()
    supplicant.frame_received(authenticator.group_1(NEXT_GTK), 0)
    for gtk in (NEXT_GTK, Gtk(3, NEXT_GTK.key), GTK):
        authenticator.receive(sent(supplicant.frame_received(authenticator.group_1(gtk), 0)))


def test_message_1_after_the_handshake_is_passed_over() -> None:
    supplicant, authenticator = authorised()
    assert supplicant.frame_received(authenticator.m1(), 0) == (
        Discarded("Message 1 has the nonce of the keys in use."),
    )
    assert supplicant.frame_received(authenticator.group_1(NEXT_GTK), 0)[0] == InstallGroup(2, NEXT_GTK.key, NO_RSC)


# The wrong passphrase.


def deaf() -> tuple[Supplicant, Authenticator]:
    """An authenticator with another passphrase."""
    supplicant, _ = started()
    authenticator = Authenticator(replace(GROUP, pmk=b"other".ljust(32)))
    with pytest.raises(EapolError, match="another passphrase"):
        authenticator.receive(sent(supplicant.frame_received(authenticator.m1(), 0)))
    return supplicant, authenticator


def test_message_1_again_and_again_after_acknowledgements_is_a_wrong_passphrase() -> None:
    supplicant, authenticator = deaf()
    supplicant.frame_acknowledged()
    sent(supplicant.frame_received(authenticator.m1(), 100))  # this one may have crossed ours
    supplicant.frame_acknowledged()
    sent(supplicant.frame_received(authenticator.m1(), 1100))  # and here the phone may be busy
    supplicant.frame_acknowledged()
    assert supplicant.frame_received(authenticator.m1(), 2100) == (Failed(Failure.WRONG_PASSPHRASE),)
    assert supplicant.state is State.FAILED


def test_the_count_is_a_setting() -> None:
    supplicant, authenticator = started(Limits(repeated_m1=0))
    supplicant.frame_acknowledged()  # of nothing that matters
    sent(supplicant.frame_received(authenticator.m1(), 0))
    supplicant.frame_acknowledged()
    assert supplicant.frame_received(authenticator.m1(), 100) == (Failed(Failure.WRONG_PASSPHRASE),)


def test_without_acknowledgements_message_1_again_says_nothing() -> None:
    supplicant, authenticator = deaf()
    for now in (100, 1100, 2100, 3100):
        sent(supplicant.frame_received(authenticator.m1(), now))
    assert supplicant.tick(4000) == (Failed(Failure.TIMED_OUT),)


def test_each_message_2_needs_an_acknowledgement_of_its_own() -> None:
    supplicant, authenticator = deaf()
    supplicant.frame_acknowledged()
    for now in (100, 300, 700, 1100):
        sent(supplicant.frame_received(authenticator.m1(), now))
    supplicant.frame_acknowledged()
    sent(supplicant.frame_received(authenticator.m1(), 2100))
    supplicant.frame_acknowledged()
    assert supplicant.frame_received(authenticator.m1(), 3100) == (Failed(Failure.WRONG_PASSPHRASE),)


def test_the_peers_own_timeout_after_message_2_is_a_wrong_passphrase() -> None:
    supplicant, _ = deaf()
    assert supplicant.disconnected(15) == (Failed(Failure.WRONG_PASSPHRASE),)


@pytest.mark.parametrize("reason_code", [0, 1, 3, 15])
def test_a_peer_that_leaves_at_another_point_has_left(reason_code: int) -> None:
    for supplicant, _ in (started(), authorised()):
        assert supplicant.disconnected(reason_code) == (Failed(Failure.PEER_LEFT),)
    if reason_code != 15:
        assert met()[0].disconnected(reason_code) == (Failed(Failure.PEER_LEFT),)


# Time.


def test_one_deadline_holds_and_no_traffic_moves_it() -> None:
    supplicant, authenticator = started()
    assert supplicant.deadline == 4000
    for now in range(0, 4000, 250):
        supplicant.frame_received(authenticator.m1(), now)
        assert supplicant.tick(now) == ()
        assert supplicant.deadline == 4000
    assert supplicant.frame_received(authenticator.m1(), 4000) == (Failed(Failure.TIMED_OUT),)
    assert supplicant.deadline is None


def test_silence_fails() -> None:
    supplicant, _ = started(Limits(handshake_ms=50))
    assert supplicant.tick(49) == ()
    assert supplicant.tick(50) == (Failed(Failure.TIMED_OUT),)
    assert supplicant.tick(51) == ()


def test_failed_ignores_everything() -> None:
    supplicant, authenticator = met()
    supplicant.disconnected(3)
    assert supplicant.frame_received(authenticator.m3(), 0) == ()
    assert supplicant.frame_received(b"", 0) == ()
    assert supplicant.disconnected(15) == ()
    assert supplicant.tick(10**6) == ()
    supplicant.frame_acknowledged()
    assert supplicant.state is State.FAILED


# Peers that mean no good. What is passed over leaves the machine as it was: the right message still works.


def discarded(supplicant: Supplicant, frame: bytes, sentence: str) -> None:
    state = supplicant.state
    (effect,) = supplicant.frame_received(frame, 0)
    assert isinstance(effect, Discarded), effect
    assert sentence in effect.reason
    assert supplicant.state is state


def still_works(supplicant: Supplicant, authenticator: Authenticator) -> None:
    if supplicant.state is State.AWAITING_M3:
        assert InstallPairwise(authenticator.keys.tk) in supplicant.frame_received(authenticator.m3(), 0)
    else:
        authenticator.receive(sent(supplicant.frame_received(authenticator.group_1(GTK), 0)))


def test_message_3_with_a_wrong_mic_is_passed_over() -> None:
    supplicant, authenticator = met()
    forged = parse_key_frame(authenticator.m3())
    discarded(
        supplicant, build_signed(replace(forged, replay_counter=2**64 - 1), b"attacker".ljust(16)), "MIC is wrong"
    )
    still_works(supplicant, authenticator)


@pytest.mark.parametrize("at", range(99, 115))
def test_changed_key_data_is_not_even_unwrapped(at: int) -> None:
    supplicant, authenticator = met()
    frame = authenticator.m3()
    discarded(supplicant, frame[:at] + bytes((frame[at] ^ 0x80,)) + frame[at + 1 :], "MIC is wrong")
    still_works(supplicant, authenticator)


def test_a_replay_of_message_3_is_passed_over() -> None:
    supplicant, authenticator = met()
    frame = authenticator.m3()
    supplicant.frame_received(frame, 0)
    discarded(supplicant, frame, "replay counter has been used")
    still_works(supplicant, authenticator)


def test_an_older_message_is_passed_over() -> None:
    supplicant, authenticator = authorised()
    older, newer = authenticator.group_1(NEXT_GTK), authenticator.group_1(Gtk(2, b"O" * 16))
    supplicant.frame_received(newer, 0)
    discarded(supplicant, older, "replay counter has been used")
    discarded(supplicant, newer, "replay counter has been used")
    still_works(supplicant, authenticator)


def test_a_wrong_mic_does_not_use_a_replay_counter_up() -> None:
    supplicant, authenticator = authorised()
    frame = parse_key_frame(authenticator.group_1(NEXT_GTK))
    discarded(supplicant, build_signed(replace(frame, replay_counter=2**64 - 1), b"x" * 16), "MIC is wrong")
    still_works(supplicant, authenticator)


def test_message_3_with_another_nonce_is_passed_over() -> None:
    supplicant, authenticator = met()
    frame = replace(parse_key_frame(authenticator.m3()), nonce=b"C" * 32)
    discarded(supplicant, build_signed(frame, authenticator.keys.kck), "another nonce")
    still_works(supplicant, authenticator)


def test_messages_out_of_order_are_passed_over() -> None:
    supplicant, authenticator = started()
    _, known = met()
    discarded(supplicant, known.m3(), "Message 3 does not belong here")
    discarded(supplicant, known.group_1(NEXT_GTK), "Group message 1 does not belong here")
    sent(supplicant.frame_received(authenticator.m1(), 0))
    discarded(supplicant, known.group_1(NEXT_GTK), "Group message 1 does not belong here")


def test_our_own_messages_come_back_in_vain() -> None:
    supplicant, authenticator = started()
    m2 = sent(supplicant.frame_received(authenticator.m1(), 0))
    discarded(supplicant, m2, "Message 2 does not belong here")
    m3 = authenticator.receive(m2)
    assert m3 is not None
    discarded(supplicant, sent(supplicant.frame_received(m3, 0)[:1]), "Message 4 does not belong here")
    still_works(supplicant, authenticator)


@pytest.mark.parametrize("keep", [0, 3, 4, 50, 98, 99, 120])
def test_a_truncated_message_3_is_passed_over(keep: int) -> None:
    supplicant, authenticator = met()
    (effect,) = supplicant.frame_received(authenticator.m3()[:keep], 0)
    assert isinstance(effect, Discarded)
    still_works(supplicant, authenticator)


def test_another_descriptor_version_is_passed_over() -> None:
    supplicant, authenticator = met()
    frame = replace(parse_key_frame(authenticator.m3()), descriptor_version=AES_CMAC)
    discarded(supplicant, build_signed(frame, authenticator.keys.kck), "version 3 was not agreed on")
    m1 = KeyFrame(KeyInformation.PAIRWISE | KeyInformation.ACK, 1, descriptor_version=1)
    discarded(supplicant, build_key_frame(m1), "version 1 was not agreed on")
    still_works(supplicant, authenticator)


def test_message_3_without_encryption_is_passed_over() -> None:
    supplicant, authenticator = met()
    frame = parse_key_frame(authenticator.m3())
    plain = replace(
        frame,
        information=frame.information & ~KeyInformation.ENCRYPTED_KEY_DATA,
        key_data=build_key_data(KeyData(GROUP.peer_rsn, GTK)),
    )
    discarded(supplicant, build_signed(plain, authenticator.keys.kck), "no message of a handshake")
    still_works(supplicant, authenticator)


DOWNGRADED = build_rsn(Rsn(akms=(Akm.PSK,), capabilities=0x0C))


@pytest.mark.parametrize(
    ("key_data", "failure"),
    [
        (KeyData(DOWNGRADED, GTK), Failure.OTHER_SECURITY),
        (KeyData(PSK_CCMP_ELEMENT, GTK), Failure.OTHER_SECURITY),
        (KeyData(None, GTK), Failure.OTHER_SECURITY),
        (KeyData(GROUP.peer_rsn), Failure.PEER_MISBEHAVED),
        (KeyData(GROUP.peer_rsn, Gtk(1, b"G" * 32)), Failure.PEER_MISBEHAVED),
        (KeyData(GROUP.peer_rsn, Gtk(1, b"G" * 15)), Failure.PEER_MISBEHAVED),
    ],
)
def test_key_data_that_cannot_be_ends_it(key_data: KeyData, failure: Failure) -> None:
    supplicant, authenticator = met()
    frame = authenticator.m3(build_key_data(key_data))
    assert supplicant.frame_received(frame, 0) == (Failed(failure),)


@pytest.mark.parametrize("key_length", [0, 32])
def test_a_key_for_another_cipher_ends_it(key_length: int) -> None:
    supplicant, authenticator = met()
    frame = authenticator.m3(key_length=key_length)
    assert supplicant.frame_received(frame, 0) == (Failed(Failure.PEER_MISBEHAVED),)


@pytest.mark.parametrize("key_data", [b"", b"x" * 24, b"x" * 25])
def test_key_data_that_does_not_unwrap_ends_it(key_data: bytes) -> None:
    supplicant, authenticator = met()
    frame = replace(parse_key_frame(authenticator.m3()), key_data=key_data)
    signed = build_signed(frame, authenticator.keys.kck)
    assert supplicant.frame_received(signed, 0) == (Failed(Failure.PEER_MISBEHAVED),)


def test_the_same_ends_an_authorised_one() -> None:
    supplicant, authenticator = authorised()
    assert supplicant.frame_received(authenticator.group_1(Gtk(2, b"short")), 0) == (Failed(Failure.PEER_MISBEHAVED),)
    supplicant, authenticator = authorised()
    frame = authenticator.m3(build_key_data(KeyData(DOWNGRADED, GTK)))
    assert supplicant.frame_received(frame, 0) == (Failed(Failure.OTHER_SECURITY),)


def test_keys_are_not_printed() -> None:
    supplicant, authenticator = met()
    effects = supplicant.frame_received(authenticator.m3(), 0)
    assert "GGG" not in repr(effects)
    assert repr(authenticator.keys.tk) not in repr(effects)
    assert "pmk" not in repr(GROUP)


@pytest.mark.parametrize(
    "wrong", [{"pmk": b"short"}, {"own_address": b"short"}, {"peer_address": b"x" * 7}], ids=["pmk", "own", "peer"]
)
def test_sizes_that_cannot_be_are_our_bug(wrong: dict[str, bytes]) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be"):
        Supplicant(replace(GROUP, **wrong), lambda: SNONCE, now=0)
    with pytest.raises(LocalProtocolError, match="cannot be"):
        Supplicant(GROUP, lambda: SNONCE[:-1], now=0)
