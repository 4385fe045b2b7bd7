"""Elements: recorded beacons, every kind of protection, and bytes that are nobody's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.wlan import p2p
from stack.wlan.bss import Bss, Security, parse_bss
from stack.wlan.channels import channel_of, frequency_of
from stack.wlan.elements import (
    OFDM_RATES_500KBPS,
    Element,
    ElementError,
    ElementId,
    build_element,
    build_rates,
    build_ssid,
    build_vendor_element,
    walk,
)
from stack.wlan.p2p import P2p, build_p2p, capability, device_id, device_info, parse_attributes
from stack.wlan.rsn import PSK_CCMP_ELEMENT, Akm, Cipher, Rsn, RsnCapability, build_rsn, parse_rsn
from tests.unit.wlan.recordings import OWN_RSN, RECORDED, attribute

SCANNED = RECORDED["scan_results"]["messages"][0]
PROBE_RESPONSE = attribute(SCANNED, 6, "0009444952")
BEACON = attribute(SCANNED, 11, "0009444952")
START_AP = RECORDED["start_ap_request"]["message"]
ADDRESS = bytes.fromhex("020000000100")


def rsn_of(*akms: int) -> bytes:
    return build_rsn(Rsn(akms=akms))


def test_what_a_recorded_group_owner_sent_is_read() -> None:
    assert parse_bss(PROBE_RESPONSE).p2p is None
    found = parse_bss(PROBE_RESPONSE + BEACON)
    assert found == Bss(
        ssid=b"DIRECT-ab",
        rates_500kbps=OFDM_RATES_500KBPS,
        channel=6,
        rsn_element=bytes.fromhex("30140100000fac040100000fac040100000fac020c00"),
        p2p=P2p(0x25, 0x0B, bytes.fromhex("420000000000")),
    )
    assert found.security(privacy=True) is Security.WPA2_PSK


def test_a_recorded_beacon_of_ours_is_read() -> None:
    head, tail = attribute(START_AP, 14, "80000000"), attribute(START_AP, 15, "2a01")
    found = parse_bss(head[36:] + tail)
    assert (found.ssid, found.channel, found.rsn_element) == (b"DIRECT-xy-abcdefgh", 6, OWN_RSN)
    assert found.p2p == P2p(0x25, 0x01, ADDRESS)
    assert found.p2p.is_group_owner


def test_a_recorded_association_request_of_a_client_is_read() -> None:
    frames = dict(map(tuple, RECORDED["management_frames_seen_as_group_owner"]["frames"]))
    request = parse_bss(bytes.fromhex(frames["00"])[28:])
    assert request.rsn_element == OWN_RSN
    assert request.p2p == P2p(0x27, 0, bytes.fromhex("420000000000"))
    assert not request.p2p.is_group_owner


def test_the_group_owners_elements_are_built_as_they_worked() -> None:
    assert build_p2p(capability(0x25, 1), device_id(ADDRESS)).hex() in START_AP
    info = device_info(ADDRESS, "appliance", config_methods=0x0188, primary_type=bytes.fromhex("00010050f2040001"))
    assert build_p2p(capability(0x25, 1), info).hex() in START_AP
    assert build_rates(OFDM_RATES_500KBPS) == bytes.fromhex("01080c1218243048606c")


def test_our_rsn_element_is_the_one_that_worked() -> None:
    assert PSK_CCMP_ELEMENT == OWN_RSN
    assert OWN_RSN.hex() in RECORDED["connect_request"]["message"]


@pytest.mark.parametrize(
    ("elements", "privacy", "expected"),
    [
        (b"", False, Security.OPEN),
        (b"", True, Security.WEP),
        (build_vendor_element(bytes.fromhex("0050f201"), b"\1\0"), True, Security.WPA1),
        (build_vendor_element(bytes.fromhex("0050f202"), b"\1\0"), False, Security.OPEN),
        (rsn_of(Akm.PSK), True, Security.WPA2_PSK),
        (rsn_of(Akm.PSK_SHA256, Akm.FT_PSK), True, Security.WPA2_PSK),
        (rsn_of(Akm.PSK) + build_vendor_element(bytes.fromhex("0050f201"), b"\1\0"), True, Security.WPA2_PSK),
        (rsn_of(Akm.SAE), True, Security.WPA3_SAE),
        (rsn_of(Akm.SAE, Akm.PSK), True, Security.TRANSITION),
        (build_rsn(Rsn(Cipher.TKIP, (Cipher.TKIP,), (Akm.PSK,))), True, Security.WPA2_TKIP),
        (build_rsn(Rsn(Cipher.TKIP, (Cipher.CCMP, Cipher.TKIP), (Akm.PSK,))), True, Security.WPA2_TKIP),
        (build_rsn(Rsn(akms=(Akm.PSK, Akm.SAE), capabilities=0x40)), True, Security.WPA2_PMF),
        (rsn_of(Akm.IEEE_802_1X), True, Security.ENTERPRISE),
        (rsn_of(Akm.SUITE_B_192), True, Security.ENTERPRISE),
        (rsn_of(0x000FAC12), False, Security.UNKNOWN),
        (b"\x30\x01\x01", True, Security.UNKNOWN),
        (b"\x30\x02\x01\x00", True, Security.ENTERPRISE),  # all defaults
    ],
)
def test_protection_is_told_in_words(elements: bytes, privacy: bool, expected: Security) -> None:
    assert parse_bss(elements).security(privacy=privacy) is expected


REQUIRED = RsnCapability.MANAGEMENT_FRAME_PROTECTION_REQUIRED
CAPABLE = RsnCapability.MANAGEMENT_FRAME_PROTECTION_CAPABLE


@pytest.mark.parametrize(
    ("rsn", "admits"),
    [
        (Rsn(akms=(Akm.PSK,)), True),
        (Rsn(pairwise_ciphers=(Cipher.TKIP, Cipher.CCMP), akms=(Akm.SAE, Akm.PSK), capabilities=CAPABLE), True),
        (Rsn(akms=(Akm.PSK,), capabilities=CAPABLE | REQUIRED), False),
        (Rsn(akms=(Akm.SAE,)), False),
        (Rsn(akms=(Akm.PSK,), group_cipher=Cipher.TKIP), False),
        (Rsn(akms=(Akm.PSK,), pairwise_ciphers=(Cipher.TKIP,)), False),
    ],
)
def test_what_we_can_join(rsn: Rsn, admits: bool) -> None:
    assert rsn.admits_psk_ccmp is admits
    assert parse_rsn(build_rsn(rsn)) == rsn


FULL = Rsn(
    group_cipher=Cipher.TKIP,
    pairwise_ciphers=(Cipher.CCMP, Cipher.TKIP),
    akms=(Akm.PSK, 0x0050F2FF),
    capabilities=0xABCD,
    pmkids=(b"p" * 16, b"q" * 16),
    group_management_cipher=0x000FAC06,
)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ((2, 4, 6), Security.WPA2_PSK),
        ((8, 9, 24, 25), Security.WPA3_SAE),
        ((1, 3, 5, 11, 12, 13), Security.ENTERPRISE),
        ((0, 7, 10, 14, 18), Security.UNKNOWN),
    ],
)
def test_key_management_has_the_numbers_of_table_9_151(types: tuple[int, ...], expected: Security) -> None:
    for each in types:
        element = bytes.fromhex(f"3012 0100 000fac04 0100 000fac04 0100 000fac{each:02x}")
        assert parse_bss(element).security(privacy=True) is expected, each
    assert parse_rsn(bytes.fromhex("30060100000fac02")).group_cipher == Cipher.TKIP


def test_an_rsn_element_may_end_after_any_part_and_in_none() -> None:
    body = build_rsn(FULL)[2:]
    allowed = {2, 6, 16, 26, 28, 62, 66}
    parsed = set()
    for size in range(len(body) + 1):
        try:
            parse_rsn(build_element(ElementId.RSN, body[:size]))
        except ElementError:
            continue
        parsed.add(size)
    assert parsed == allowed
    assert parse_rsn(build_element(ElementId.RSN, body + b"later parts")) == FULL
    assert parse_rsn(build_element(ElementId.RSN, body[:6])) == Rsn(group_cipher=Cipher.TKIP)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("0200", "version 2"),
        ("0100000fac040000", "no suite"),
        ("0100000fac040100000fac040000", "no suite"),
        ("0100000fac04ffff000fac04", "too early"),
        ("", "too early"),
    ],
)
def test_a_broken_rsn_element_is_refused(body: str, sentence: str) -> None:
    with pytest.raises(ElementError, match=sentence):
        parse_rsn(build_element(ElementId.RSN, bytes.fromhex(body)))


@pytest.mark.parametrize("element", ["", "30", "3002", "3003010000ff", "2f020100"])
def test_what_is_no_whole_rsn_element_is_refused(element: str) -> None:
    with pytest.raises(ElementError, match="no RSN element"):
        parse_rsn(bytes.fromhex(element))


def test_a_broken_element_ends_the_walk() -> None:
    data = build_ssid(b"net") + b"\x03\x02\x06"
    assert list(walk(data)) == [Element(0, b"net")]
    assert list(walk(build_ssid(b"net") + b"\x03")) == [Element(0, b"net")]
    assert list(walk(b"\x00\x00" + data)) == [Element(0, b""), Element(0, b"net")]


def test_of_repeated_elements_the_first_counts() -> None:
    found = parse_bss(build_ssid(b"one") + build_ssid(b"two") + rsn_of(Akm.PSK) + rsn_of(Akm.SAE))
    assert (found.ssid, found.security(privacy=True)) == (b"one", Security.WPA2_PSK)


@pytest.mark.parametrize("ssid", [b"", bytes(7), b"x" * 33])
def test_hidden_and_impossible_names_are_none(ssid: bytes) -> None:
    assert parse_bss(build_element(ElementId.SSID, ssid)).ssid is None


def test_the_channel_comes_from_ht_operation_on_5_ghz() -> None:
    ht_operation = build_element(ElementId.HT_OPERATION, bytes([36]).ljust(22, b"\0"))
    assert parse_bss(ht_operation).channel == 36
    assert parse_bss(bytes.fromhex("030106")).channel == 6
    assert parse_bss(bytes.fromhex("3d022c00")).channel == 44
    assert parse_bss(ht_operation + build_element(ElementId.DS_PARAMETER_SET, b"\x06")).channel == 6
    assert parse_bss(build_element(ElementId.DS_PARAMETER_SET, b"") + ht_operation).channel == 36
    assert parse_bss(build_ssid(b"net")).channel is None


def test_rates_are_split_and_joined() -> None:
    rates = (2, 4, 11, 22, *OFDM_RATES_500KBPS)
    assert parse_bss(build_rates(rates)).rates_500kbps == rates
    assert [(each.id, len(each.body)) for each in walk(build_rates(rates))] == [(1, 8), (50, 4)]
    assert parse_bss(build_element(ElementId.SUPPORTED_RATES, b"\x8c\x98")).rates_500kbps == (12, 24)


def test_what_does_not_fit_is_our_bug() -> None:
    assert parse_bss(build_ssid(b"x" * 32)).ssid == b"x" * 32
    with pytest.raises(LocalProtocolError):
        build_ssid(b"x" * 33)
    assert build_element(0, bytes(255)) == b"\x00\xff" + bytes(255)
    with pytest.raises(LocalProtocolError, match="255 bytes, not 256"):
        build_element(0, bytes(256))
    with pytest.raises(LocalProtocolError):
        build_p2p(device_info(ADDRESS, "n" * 240, config_methods=0, primary_type=bytes(8)))


def test_p2p_attributes_run_on_from_one_element_to_the_next() -> None:
    attributes = capability(0x25, 0x81) + device_id(ADDRESS)
    for split in range(len(attributes) + 1):
        found = parse_bss(build_p2p(attributes[:split]) + build_ssid(b"x") + build_p2p(attributes[split:]))
        assert found.p2p == P2p(0x25, 0x81, ADDRESS)


def test_device_info_is_better_than_device_id_and_half_an_address_is_none() -> None:
    info = device_info(b"device", "n", config_methods=0, primary_type=bytes(8))
    assert parse_attributes(device_id(ADDRESS) + info).device_address == b"device"
    assert parse_attributes(b"\x03\x05\x00\x02\x00\x00\x00\x01").device_address is None
    assert parse_attributes(device_id(ADDRESS)[:-1]) == P2p()


def test_the_clients_of_a_group_are_read() -> None:
    def client(address: bytes) -> bytes:
        descriptor = address + b"iface1" + bytes(11)
        return bytes((len(descriptor),)) + descriptor

    def group_info(body: bytes) -> bytes:
        return bytes((p2p.Attribute.GROUP_INFO,)) + len(body).to_bytes(2, "little") + body

    assert parse_attributes(group_info(client(b"phone1") + client(b"phone2"))).clients == (b"phone1", b"phone2")
    assert parse_attributes(group_info(client(b"phone1") + client(b"phone2")[:-1])).clients == (b"phone1",)
    assert parse_attributes(group_info(b"\x03abc")).clients == ()
    assert parse_attributes(group_info(bytes(40))).clients == ()


@pytest.mark.parametrize(
    ("frequency_mhz", "channel"),
    [(2412, 1), (2437, 6), (2472, 13), (2484, 14), (5180, 36), (5220, 44), (5825, 165), (5885, 177)],
)
def test_channels_have_frequencies(frequency_mhz: int, channel: int) -> None:
    assert channel_of(frequency_mhz) == channel
    assert frequency_of(channel) == frequency_mhz


def test_other_numbers_have_none() -> None:
    assert [frequency_of(each) for each in (-1, 0, 15, 31, 178, 255)] == [None] * 6
    assert [channel_of(each) for each in (0, 2407, 2413, 2477, 2489, 5000, 5181, 5955)] == [None] * 8


@given(st.binary(max_size=300))
def test_nothing_from_the_air_raises(data: bytes) -> None:
    found = parse_bss(data)
    assert found.security(privacy=False) in Security
    assert parse_attributes(data).clients == parse_attributes(data).clients
    assert b"".join(build_element(each.id, each.body) for each in walk(data)) == data[: _walked(data)]


def _walked(data: bytes) -> int:
    return sum(2 + len(each.body) for each in walk(data))


@given(st.binary(max_size=253))
def test_an_rsn_element_is_parsed_or_refused(body: bytes) -> None:
    element = build_element(ElementId.RSN, body)
    try:
        rsn = parse_rsn(element)
    except ElementError:
        assert parse_bss(element).security(privacy=True) is Security.UNKNOWN
        return
    assert parse_rsn(build_rsn(rsn)) == rsn
