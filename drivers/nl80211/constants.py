"""Numbers of nl80211 and of IEEE 802.11 under the names of <linux/nl80211.h> and of the standard; only those in use."""

from enum import IntEnum, IntFlag
from typing import Final

FAMILY: Final = "nl80211"

ETHERTYPE_PAE: Final = 0x888E
CIPHER_CCMP: Final = 0x000FAC04  # IEEE 802.11-2020, table 9-149
AKM_PSK: Final = 0x000FAC02  # table 9-151
# Six to 54 Mbit/s in units of 500 kbit/s: what P2P devices speak (Wi-Fi Direct specification, 2.4.1).
OFDM_RATES: Final = bytes((12, 18, 24, 36, 48, 72, 96, 108))
BAND_2GHZ: Final = 0


class Command(IntEnum):
    """NL80211_CMD_*."""

    GET_WIPHY = 1
    NEW_WIPHY = 3
    DEL_WIPHY = 4
    GET_INTERFACE = 5
    NEW_INTERFACE = 7
    DEL_INTERFACE = 8
    NEW_KEY = 11
    GET_STATION = 17
    SET_STATION = 18
    REQ_SET_REG = 27
    GET_REG = 31
    GET_SCAN = 32
    TRIGGER_SCAN = 33
    NEW_SCAN_RESULTS = 34
    SCAN_ABORTED = 35
    REG_CHANGE = 36
    AUTHENTICATE = 37
    ASSOCIATE = 38
    DEAUTHENTICATE = 39
    DISASSOCIATE = 40
    REG_BEACON_HINT = 42
    CONNECT = 46
    DISCONNECT = 48
    SET_POWER_SAVE = 61
    START_P2P_DEVICE = 89
    WIPHY_REG_CHANGE = 113
    ABORT_SCAN = 114
    CONTROL_PORT_FRAME = 129
    CONTROL_PORT_FRAME_TX_STATUS = 139


class InterfaceType(IntEnum):
    """NL80211_IFTYPE_*; what a newer kernel has is UNSPECIFIED."""

    UNSPECIFIED = 0
    ADHOC = 1
    STATION = 2
    AP = 3
    AP_VLAN = 4
    WDS = 5
    MONITOR = 6
    MESH_POINT = 7
    P2P_CLIENT = 8
    P2P_GO = 9
    P2P_DEVICE = 10
    OCB = 11
    NAN = 12

    @classmethod
    def _missing_(cls, value: object) -> "InterfaceType":
        return cls.UNSPECIFIED

    @property
    def words(self) -> str:
        """The name that people know."""
        return _INTERFACE_WORDS.get(self, self.name.replace("_", " "))


_INTERFACE_WORDS: Final = {
    InterfaceType.ADHOC: "ad-hoc",
    InterfaceType.STATION: "station",
    InterfaceType.AP: "access point",
    InterfaceType.MONITOR: "monitor",
    InterfaceType.MESH_POINT: "mesh point",
    InterfaceType.P2P_CLIENT: "P2P client",
    InterfaceType.P2P_GO: "P2P group owner",
    InterfaceType.P2P_DEVICE: "P2P device",
}


class Feature(IntFlag):
    """NL80211_FEATURE_*."""

    MAC_ON_CREATE = 1 << 27


class ExtFeature(IntEnum):
    """NL80211_EXT_FEATURE_*: bit numbers."""

    HANDSHAKE_STA_PSK = 15  # 4WAY_HANDSHAKE_STA_PSK
    CONTROL_PORT_OVER_NL80211 = 26
    CONTROL_PORT_OVER_NL80211_TX_STATUS = 48


class RuleFlag(IntFlag):
    """NL80211_RRF_*: what a regulatory domain forbids on a range of frequencies."""

    DFS = 1 << 4
    NO_IR = 1 << 7


class StaFlag(IntEnum):
    """NL80211_STA_FLAG_*: bit numbers."""

    AUTHORIZED = 1


class KeyType(IntEnum):
    """NL80211_KEYTYPE_*."""

    GROUP = 0
    PAIRWISE = 1


class WpaVersion(IntFlag):
    """NL80211_WPA_VERSION_*."""

    WPA2 = 2


class AuthType(IntEnum):
    """NL80211_AUTHTYPE_*."""

    OPEN_SYSTEM = 0


class TimeoutReason(IntEnum):
    """NL80211_TIMEOUT_*: which step of a connection got no answer."""

    UNSPECIFIED = 0
    SCAN = 1
    AUTH = 2
    ASSOC = 3
