"""The declarations against what a kernel has sent and taken, and against its own header where that is installed."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from drivers.netlink.attributes import Attributes, build, parse
from drivers.netlink.generic import split_generic
from drivers.netlink.message import split_messages
from drivers.nl80211 import constants, declarations
from drivers.nl80211.constants import AKM_PSK, CIPHER_CCMP, Command
from drivers.nl80211.declarations import Attrs
from drivers.nl80211.road import Network, Road, connect_request
from tests.unit.nl80211.chip import RECORDED

HEADER = Path("/usr/include/linux/nl80211.h")
# What the header puts before the names of each declaration's fields.
PREFIXES = {
    declarations.Attrs: "ATTR_",
    declarations.WiphyAttrs: "ATTR_",
    declarations.BssAttrs: "BSS_",
    declarations.RateAttrs: "RATE_INFO_",
    declarations.StationAttrs: "STA_INFO_",
    declarations.KeyAttrs: "KEY_",
    declarations.RegRuleAttrs: "ATTR_REG_RULE_",
    declarations.FrequencyAttrs: "FREQUENCY_ATTR_",
    declarations.BandAttrs: "BAND_ATTR_",
    declarations.LimitAttrs: "IFACE_LIMIT_",
    declarations.CombinationAttrs: "IFACE_COMB_",
}
ENUMS = {
    constants.Command: "CMD_",
    constants.InterfaceType: "IFTYPE_",
    constants.Feature: "FEATURE_",
    constants.ExtFeature: "EXT_FEATURE_",
    constants.RuleFlag: "RRF_",
    constants.StaFlag: "STA_FLAG_",
    constants.KeyType: "KEYTYPE_",
    constants.WpaVersion: "WPA_VERSION_",
    constants.AuthType: "AUTHTYPE_",
    constants.TimeoutReason: "TIMEOUT_",
}
# Where a name cannot be the header's.
OTHER_NAMES = {
    "EXT_FEATURE_HANDSHAKE_STA_PSK": "EXT_FEATURE_4WAY_HANDSHAKE_STA_PSK",
    "WPA_VERSION_WPA2": "WPA_VERSION_2",
    "STA_INFO_CONNECTED_TIME_S": "STA_INFO_CONNECTED_TIME",
    "ATTR_REG_RULE_FREQ_RANGE_START": "ATTR_FREQ_RANGE_START",
    "ATTR_REG_RULE_FREQ_RANGE_END": "ATTR_FREQ_RANGE_END",
    "ATTR_REG_RULE_FREQ_RANGE_MAX_BW": "ATTR_FREQ_RANGE_MAX_BW",
    "ATTR_REG_RULE_POWER_RULE_MAX_EIRP": "ATTR_POWER_RULE_MAX_EIRP",
}


def header_numbers() -> dict[str, int]:
    """Count the header's enumerations."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    numbers: dict[str, int] = {}
    for body in re.findall(r"enum\s+\w+\s*\{(.*?)\}", text, flags=re.DOTALL):
        number = -1
        for entry in filter(None, map(str.strip, body.split(","))):
            name, _, value = (part.strip() for part in entry.partition("="))
            number = number_of(value, numbers) if value else number + 1
            numbers[name] = number
    return numbers


def number_of(value: str, numbers: dict[str, int]) -> int:
    """Read a value of an enumeration: a number, a shifted bit or a name, and a difference of them."""
    if shifted := re.fullmatch(r"\(?1U?\s*<<\s*(\d+)\)?", value):
        return 1 << int(shifted[1])
    first, _, second = (part.strip() for part in value.partition("-"))
    return _one(first, numbers) - (_one(second, numbers) if second else 0)


def _one(value: str, numbers: dict[str, int]) -> int:
    return numbers[value] if value in numbers else int(value.rstrip("U"), 0)


def wanted_numbers() -> dict[str, int]:
    wanted = {prefix + each.name: each.value for kind, prefix in ENUMS.items() for each in kind}
    for declaration, prefix in PREFIXES.items():
        for each in fields(declaration):
            wanted[prefix + each.name.upper()] = each.metadata["attribute"][0]
    return {"NL80211_" + OTHER_NAMES.get(name, name): number for name, number in wanted.items()}


@pytest.mark.skipif(not HEADER.exists(), reason="the kernel's headers are not installed (linux-libc-dev)")
def test_every_name_has_the_number_of_the_kernels_header() -> None:
    known = header_numbers()
    assert {name: known.get(name) for name in wanted_numbers()} == wanted_numbers()


def test_every_declaration_is_in_that_check() -> None:
    declared = {each for each in vars(declarations).values() if isinstance(each, type) and issubclass(each, Attributes)}
    assert declared - {Attributes} == set(PREFIXES)


def recorded(message: str) -> tuple[int, bytes]:
    return split_generic(next(split_messages(bytes.fromhex(message))).body)


def test_the_connect_request_is_the_recorded_one_but_for_what_we_leave_to_the_kernel() -> None:
    command, attributes = recorded(RECORDED["connect_request"]["message"])
    taken = parse(Attrs, attributes)
    assert command == Command.CONNECT
    network = Network(
        ssid=b"DIRECT-ab",
        bssid=bytes.fromhex("060000000000"),
        frequency_mhz=2437,
        elements=bytes.fromhex("30140100000fac040100000fac040100000fac020000"),
        pmk=bytes(32),
    )
    road = Road(by_steps=False, offloads_handshake=False, has_control_port=True, tells_ack=True)
    ours = parse(Attrs, build(connect_request(taken.ifindex or 0, network, road)))
    differing = {each.name for each in fields(Attrs) if getattr(ours, each.name) != getattr(taken, each.name)}
    # The PAE is the default ethertype; frames of later handshakes are to be encrypted.
    assert differing == {"control_port_ethertype", "control_port_no_encrypt"}
    assert (ours.cipher_suites_pairwise, ours.cipher_suite_group) == ((CIPHER_CCMP,), CIPHER_CCMP)
    assert ours.akm_suites == (AKM_PSK,)


def test_a_station_is_read_as_it_was_recorded() -> None:
    _, attributes = recorded(RECORDED["station_info"]["messages"][0])
    info = parse(Attrs, attributes).sta_info
    assert info
    assert (info.signal, info.tx_failed, info.rx_bytes64, info.tx_bytes64) == (-30, 0, 1013, 469)
    assert info.tx_bitrate
    assert info.tx_bitrate.bitrate


def test_requests_survive_the_journey() -> None:
    attrs = Attrs(
        ifindex=7,
        scan_ssids=(b"a", b""),
        scan_frequencies=(2412, 5180),
        scan_supp_rates={0: b"\x0c"},
        wdev=1 << 33,
        tx_no_cck_rate=True,
    )
    assert parse(Attrs, build(attrs)) == attrs
