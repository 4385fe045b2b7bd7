"""EAPOL-Key frames: what real peers sent, the vectors of the ciphers, and broken ones."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    compute_mic,
    has_good_mic,
    message_of,
    parse_key_data,
    parse_key_frame,
    unwrap_key_data,
    wrap_key_data,
)
from tests.unit.wlan.recordings import OWN_RSN, RECORDINGS, Recording

FRAMES = [
    pytest.param(recording, data, id=f"{name} {number}")
    for name, recording in RECORDINGS.items()
    for number, (_, data) in enumerate(recording.frames, 1)
]
RECORDING = RECORDINGS["wpa_supplicant as group owner"]
M1, M2, M3, M4 = (data for _, data in RECORDING.frames)


@pytest.mark.parametrize(("recording", "data"), FRAMES)
def test_recorded_frames_are_read_and_built_again(recording: Recording, data: bytes) -> None:
    frame = parse_key_frame(data)
    assert build_key_frame(frame) == data
    if KeyInformation.MIC in frame.information:
        assert build_signed(replace(frame, mic=bytes(16)), recording.kck) == data
    assert has_good_mic(recording.kck, data) is (message_of(frame) is not Message.M1)
    assert not has_good_mic(b"another kck".ljust(16), data)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wpa_supplicant as group owner", "M1 M2 M3 M4"),
        ("hostapd, with rekeys", "M1 M2 M3 M4" + 3 * " GROUP_1 GROUP_2"),
        ("wpa_supplicant as P2P client", "M1 M2 M3 M4 GROUP_1 GROUP_2"),
    ],
)
def test_messages_are_told_apart(name: str, expected: str) -> None:
    assert [message_of(parse_key_frame(data)).name for _, data in RECORDINGS[name].frames] == expected.split()


def test_a_recorded_message_3_says() -> None:
    frame = parse_key_frame(M3)
    assert frame.information == (
        KeyInformation.PAIRWISE
        | KeyInformation.INSTALL
        | KeyInformation.ACK
        | KeyInformation.MIC
        | KeyInformation.SECURE
        | KeyInformation.ENCRYPTED_KEY_DATA
    )
    assert (frame.replay_counter, frame.key_length, frame.rsc) == (2, 16, b"\x07".ljust(8, b"\0"))
    assert (frame.protocol_version, frame.descriptor_version) == (2, 2)
    assert frame.nonce == RECORDING.anonce


@pytest.mark.parametrize("recording", RECORDINGS.values(), ids=list(RECORDINGS))
def test_recorded_key_data_unwraps_and_wraps(recording: Recording) -> None:
    wrapped = parse_key_frame(recording.frames[2][1]).key_data
    key_data = unwrap_key_data(recording.kek, wrapped)
    assert key_data == recording.m3_key_data
    expected = KeyData(recording.peer_rsn, Gtk(recording.values["gtk_index"], recording.gtk))
    assert parse_key_data(key_data) == expected
    assert wrap_key_data(recording.kek, build_key_data(expected)) == wrapped


def test_a_recorded_group_message_brings_the_new_key() -> None:
    recording = RECORDINGS["wpa_supplicant as P2P client"]
    key_data = unwrap_key_data(recording.kek, parse_key_frame(recording.frames[4][1]).key_data)
    assert parse_key_data(key_data) == KeyData(None, Gtk(2, recording.new_gtk))


def test_key_wrap_of_rfc_3394_4_1() -> None:
    kek = bytes(range(16))
    data = bytes.fromhex("00112233445566778899aabbccddeeff")
    wrapped = bytes.fromhex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5")
    assert wrap_key_data(kek, data) == wrapped
    assert unwrap_key_data(kek, wrapped) == data


@pytest.mark.parametrize("wrapped", [b"", b"x" * 8, b"x" * 16, b"x" * 24, b"x" * 25])
def test_what_was_not_wrapped_does_not_unwrap(wrapped: bytes) -> None:
    with pytest.raises(EapolError, match="does not unwrap"):
        unwrap_key_data(bytes(16), wrapped)


@pytest.mark.parametrize("size", [0, 8, 17])
def test_what_cannot_be_wrapped_is_our_bug(size: int) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be wrapped"):
        wrap_key_data(bytes(16), bytes(size))


def test_mic_by_aes_cmac_of_rfc_4493() -> None:
    """A frame of ours, checked against the algorithm written out: one subkey, CBC, last block masked."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    kck = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    frame = build_key_frame(KeyFrame(KeyInformation.PAIRWISE | KeyInformation.MIC, 1, descriptor_version=AES_CMAC))

    def encrypt(block: bytes) -> bytes:
        cipher = Cipher(algorithms.AES(kck), modes.ECB()).encryptor()  # noqa: S305 - the vector's own building block
        return cipher.update(block)

    def double(block: bytes) -> bytes:
        value = int.from_bytes(block, "big") << 1
        return ((value ^ (0x87 if value >> 128 else 0)) & (1 << 128) - 1).to_bytes(16, "big")

    def xor(one: bytes, other: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(one, other, strict=True))

    assert double(double(encrypt(bytes(16)))).hex() == "f7ddac306ae266ccf90bc11ee46d513b"  # K2 of RFC 4493, 4
    blocks = [frame[at : at + 16] for at in range(0, len(frame), 16)]
    assert len(blocks[-1]) < 16
    last = xor(blocks[-1].ljust(1 + len(blocks[-1]), b"\x80").ljust(16, b"\0"), double(double(encrypt(bytes(16)))))
    mic = bytes(16)
    for block in (*blocks[:-1], last):
        mic = encrypt(xor(mic, block))
    assert compute_mic(kck, AES_CMAC, frame) == mic
    assert has_good_mic(kck, build_signed(parse_key_frame(frame), kck))


@pytest.mark.parametrize("version", [0, 1, 4, 7])
def test_other_descriptor_versions_are_refused(version: int) -> None:
    frame = build_key_frame(KeyFrame(KeyInformation.MIC, 1, descriptor_version=version))
    with pytest.raises(EapolError, match=f"version {version} is not supported"):
        has_good_mic(bytes(16), frame)


def test_padding_after_the_frame_counts_for_nothing() -> None:
    assert parse_key_frame(M3 + b"padding") == parse_key_frame(M3)
    assert has_good_mic(RECORDING.kck, M3 + b"padding")


def test_a_frame_cut_anywhere_is_refused() -> None:
    for size in range(len(M3)):
        with pytest.raises(EapolError):
            parse_key_frame(M3[:size])


@pytest.mark.parametrize(
    ("at", "value", "sentence"),
    [
        (1, b"\x00", "no EAPOL-Key frame"),
        (2, b"\x00\x5e", "a short one"),
        (4, b"\xfe", "descriptor type 254"),
        (97, b"\xff\xff", "cut off"),
        (97, b"\x00\x39", "cut off"),
        (2, b"\x00\x98", "1 bytes too early"),
    ],
)
def test_a_frame_that_contradicts_itself_is_refused(at: int, value: bytes, sentence: str) -> None:
    with pytest.raises(EapolError, match=sentence):
        parse_key_frame(M3[:at] + value + M3[at + len(value) :])


def test_a_bit_changed_anywhere_spoils_the_mic() -> None:
    for at in range(len(M3)):
        changed = M3[:at] + bytes((M3[at] ^ 1,)) + M3[at + 1 :]
        try:
            assert not has_good_mic(RECORDING.kck, changed), at
        except EapolError:
            continue


@pytest.mark.parametrize(
    "information",
    [
        KeyInformation(0),
        KeyInformation.PAIRWISE,
        KeyInformation.PAIRWISE | KeyInformation.ACK | KeyInformation.REQUEST,
        KeyInformation.PAIRWISE | KeyInformation.ACK | KeyInformation.MIC,
        KeyInformation.ACK,
        KeyInformation.MIC | KeyInformation.SECURE | KeyInformation.ERROR,
        KeyInformation.SMK_MESSAGE | KeyInformation.MIC,
        KeyInformation(0x4000) | KeyInformation.PAIRWISE | KeyInformation.ACK,
    ],
)
def test_other_key_information_is_no_message(information: KeyInformation) -> None:
    with pytest.raises(EapolError, match="belongs to no message"):
        message_of(KeyFrame(information, 1))


def test_bits_that_no_message_has_are_named() -> None:
    frame = parse_key_frame(M1[:5] + b"\x2c\x02" + M1[7:])
    assert frame.information == KeyInformation.ERROR | KeyInformation.REQUEST | KeyInformation.SMK_MESSAGE
    assert (KeyInformation.ERROR, KeyInformation.SMK_MESSAGE) == (0x0400, 0x2000)


def test_key_data_tells_message_2_from_4_when_both_are_secure() -> None:
    secure = KeyInformation.PAIRWISE | KeyInformation.MIC | KeyInformation.SECURE
    assert message_of(KeyFrame(secure, 1, key_data=OWN_RSN)) is Message.M2
    assert message_of(KeyFrame(secure, 1)) is Message.M4


IGTK = bytes.fromhex("dd1c000fac09") + bytes(24)
GTK_KDE = bytes.fromhex("dd16000fac010200") + b"G" * 16


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", KeyData()),
        (GTK_KDE, KeyData(None, Gtk(2, b"G" * 16))),
        (IGTK + GTK_KDE + OWN_RSN, KeyData(OWN_RSN, Gtk(2, b"G" * 16))),
        (OWN_RSN + OWN_RSN[:-1] + b"\xff" + GTK_KDE, KeyData(OWN_RSN, Gtk(2, b"G" * 16))),
        (b"\xdd\x00" + GTK_KDE, KeyData()),  # behind the padding is nothing
        (b"\xdd", KeyData()),
        (GTK_KDE[:-1], KeyData()),
        (bytes.fromhex("dd06000fac010200"), KeyData()),
        (bytes.fromhex("dd07000fac01070041"), KeyData(None, Gtk(3, b"A"))),  # the index has two bits
    ],
)
def test_key_data_is_walked_within_bounds(data: bytes, expected: KeyData) -> None:
    assert parse_key_data(data) == expected


def test_key_data_is_padded_for_wrapping() -> None:
    assert build_key_data(KeyData()) == b"\xdd".ljust(16, b"\0")
    assert build_key_data(KeyData(None, Gtk(2, b"G" * 16))) == GTK_KDE
    assert build_key_data(KeyData(b"x" * 16)) == b"x" * 16
    assert build_key_data(KeyData(OWN_RSN)) == OWN_RSN + b"\xdd\x00"
    assert build_key_data(KeyData(OWN_RSN + b"\x00\x03net")) == OWN_RSN + b"\x00\x03net" + b"\xdd\0\0\0\0"


def test_group_keys_are_not_printed() -> None:
    assert "GGG" not in repr(KeyData(None, Gtk(1, b"G" * 16)))


@given(st.binary(max_size=200))
def test_nothing_from_the_air_raises_anything_else(data: bytes) -> None:
    parse_key_data(data)
    try:
        frame = parse_key_frame(data)
        message_of(frame)
        assert not has_good_mic(b"k" * 16, data)
    except EapolError:
        return


@st.composite
def key_frames(draw: st.DrawFn) -> KeyFrame:
    """Any frame that the fields can hold."""
    return KeyFrame(
        information=KeyInformation(draw(st.integers(0, 0xFFFF)) & ~7),
        replay_counter=draw(st.integers(0, 2**64 - 1)),
        nonce=draw(st.binary(min_size=32, max_size=32)),
        key_length=draw(st.integers(0, 0xFFFF)),
        rsc=draw(st.binary(min_size=8, max_size=8)),
        mic=draw(st.binary(min_size=16, max_size=16)),
        key_data=draw(st.binary(max_size=300)),
        iv=draw(st.binary(min_size=16, max_size=16)),
        reserved=draw(st.binary(min_size=8, max_size=8)),
        descriptor_version=draw(st.integers(0, 7)),
        protocol_version=draw(st.integers(0, 255)),
    )


@given(key_frames())
def test_what_is_built_is_parsed_again(frame: KeyFrame) -> None:
    assert parse_key_frame(build_key_frame(frame)) == frame
