"""The attributes of nl80211 that are in use, declared once (<linux/nl80211.h>).

The family has one space of numbers for all commands, so requests, answers and events are one `Attrs`. What
GET_WIPHY tells is apart in `WiphyAttrs`, because its dump comes in pieces that are merged.
"""

from dataclasses import dataclass

from drivers.netlink.attributes import (
    BYTES,
    FLAG,
    NUMBERS,
    S8,
    S32,
    STRING,
    U8,
    U16,
    U32,
    U64,
    Attributes,
    array_of,
    attribute,
    indexed,
    nested,
    packed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BssAttrs(Attributes):
    """NL80211_BSS_*. `signal_mbm` is in 1/100 dBm."""

    bssid: bytes | None = attribute(1, BYTES)
    frequency: int | None = attribute(2, U32)
    capability: int | None = attribute(5, U16)
    information_elements: bytes | None = attribute(6, BYTES)
    signal_mbm: int | None = attribute(7, S32)
    seen_ms_ago: int | None = attribute(10, U32)
    beacon_ies: bytes | None = attribute(11, BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateAttrs(Attributes):
    """NL80211_RATE_INFO_*. Bit rates are in 100 kbit/s."""

    bitrate: int | None = attribute(1, U16)
    bitrate32: int | None = attribute(5, U32)


@dataclass(frozen=True, slots=True, kw_only=True)
class StationAttrs(Attributes):
    """NL80211_STA_INFO_*. Signals are in dBm."""

    signal: int | None = attribute(7, S8)
    tx_bitrate: RateAttrs | None = attribute(8, nested(RateAttrs))
    tx_packets: int | None = attribute(10, U32)
    tx_retries: int | None = attribute(11, U32)
    tx_failed: int | None = attribute(12, U32)
    signal_avg: int | None = attribute(13, S8)
    rx_bitrate: RateAttrs | None = attribute(14, nested(RateAttrs))
    connected_time_s: int | None = attribute(16, U32)
    beacon_loss: int | None = attribute(18, U32)
    rx_bytes64: int | None = attribute(23, U64)
    tx_bytes64: int | None = attribute(24, U64)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttrs(Attributes):
    """NL80211_KEY_*."""

    data: bytes | None = attribute(1, BYTES)
    idx: int | None = attribute(2, U8)
    cipher: int | None = attribute(3, U32)
    seq: bytes | None = attribute(4, BYTES)
    type: int | None = attribute(7, U32)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegRuleAttrs(Attributes):
    """NL80211_ATTR_REG_RULE_*: frequencies in kHz, power in 1/100 dBm."""

    flags: int | None = attribute(1, U32)
    freq_range_start: int | None = attribute(2, U32)
    freq_range_end: int | None = attribute(3, U32)
    freq_range_max_bw: int | None = attribute(4, U32)
    power_rule_max_eirp: int | None = attribute(6, U32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attrs(Attributes):
    """NL80211_ATTR_* of requests, answers and events."""

    wiphy: int | None = attribute(1, U32)
    ifindex: int | None = attribute(3, U32)
    ifname: str | None = attribute(4, STRING)
    iftype: int | None = attribute(5, U32)
    mac: bytes | None = attribute(6, BYTES)
    sta_info: StationAttrs | None = attribute(21, nested(StationAttrs))
    reg_alpha2: str | None = attribute(33, STRING)
    reg_rules: tuple[RegRuleAttrs, ...] | None = attribute(34, array_of(nested(RegRuleAttrs)))
    wiphy_freq: int | None = attribute(38, U32)
    ie: bytes | None = attribute(42, BYTES)
    scan_frequencies: tuple[int, ...] | None = attribute(44, array_of(U32))
    scan_ssids: tuple[bytes, ...] | None = attribute(45, array_of(BYTES))
    bss: BssAttrs | None = attribute(47, nested(BssAttrs))
    frame: bytes | None = attribute(51, BYTES)
    ssid: bytes | None = attribute(52, BYTES)
    auth_type: int | None = attribute(53, U32)
    reason_code: int | None = attribute(54, U16)
    timed_out: bool | None = attribute(65, FLAG)
    sta_flags2: bytes | None = attribute(67, BYTES)
    control_port: bool | None = attribute(68, FLAG)
    privacy: bool | None = attribute(70, FLAG)
    disconnected_by_ap: bool | None = attribute(71, FLAG)
    status_code: int | None = attribute(72, U16)
    cipher_suites_pairwise: tuple[int, ...] | None = attribute(73, packed(4))
    cipher_suite_group: int | None = attribute(74, U32)
    wpa_versions: int | None = attribute(75, U32)
    akm_suites: tuple[int, ...] | None = attribute(76, packed(4))
    key: KeyAttrs | None = attribute(80, nested(KeyAttrs))
    ack: bool | None = attribute(92, FLAG)
    ps_state: int | None = attribute(93, U32)
    control_port_ethertype: int | None = attribute(102, U16)
    control_port_no_encrypt: bool | None = attribute(103, FLAG)
    scan_supp_rates: dict[int, bytes] | None = attribute(125, indexed(BYTES))
    tx_no_cck_rate: bool | None = attribute(135, FLAG)
    wdev: int | None = attribute(153, U64)
    split_wiphy_dump: bool | None = attribute(174, FLAG)
    socket_owner: bool | None = attribute(204, FLAG)
    timeout_reason: int | None = attribute(248, U32)
    pmk: bytes | None = attribute(254, BYTES)
    control_port_over_nl80211: bool | None = attribute(264, FLAG)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the kernel told without being asked. `command` may be one that is not in use."""

    command: int
    attrs: Attrs


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyAttrs(Attributes):
    """NL80211_FREQUENCY_ATTR_*: in MHz and 1/100 dBm."""

    freq: int | None = attribute(1, U32)
    disabled: bool | None = attribute(2, FLAG)
    no_ir: bool | None = attribute(3, FLAG)
    radar: bool | None = attribute(5, FLAG)
    max_tx_power: int | None = attribute(6, U32)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandAttrs(Attributes):
    """NL80211_BAND_ATTR_*."""

    freqs: dict[int, FrequencyAttrs] | None = attribute(1, indexed(nested(FrequencyAttrs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitAttrs(Attributes):
    """NL80211_IFACE_LIMIT_*."""

    max: int | None = attribute(1, U32)
    types: frozenset[int] | None = attribute(2, NUMBERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinationAttrs(Attributes):
    """NL80211_IFACE_COMB_*."""

    limits: tuple[LimitAttrs, ...] | None = attribute(1, array_of(nested(LimitAttrs)))
    maxnum: int | None = attribute(2, U32)
    num_channels: int | None = attribute(4, U32)


@dataclass(frozen=True, slots=True, kw_only=True)
class WiphyAttrs(Attributes):
    """NL80211_ATTR_* of one piece of a wiphy."""

    wiphy: int | None = attribute(1, U32)
    wiphy_name: str | None = attribute(2, STRING)
    wiphy_bands: dict[int, BandAttrs] | None = attribute(22, indexed(nested(BandAttrs)))
    supported_iftypes: frozenset[int] | None = attribute(32, NUMBERS)
    max_num_scan_ssids: int | None = attribute(43, U8)
    supported_commands: tuple[int, ...] | None = attribute(50, array_of(U32))
    cipher_suites: tuple[int, ...] | None = attribute(57, packed(4))
    software_iftypes: frozenset[int] | None = attribute(121, NUMBERS)
    interface_combinations: tuple[CombinationAttrs, ...] | None = attribute(120, array_of(nested(CombinationAttrs)))
    feature_flags: int | None = attribute(143, U32)
    wiphy_self_managed_reg: bool | None = attribute(216, FLAG)
    ext_features: bytes | None = attribute(217, BYTES)
