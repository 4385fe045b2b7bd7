"""Reason and status codes in words (IEEE 802.11-2020, 9.4.1.7 and 9.4.1.9)."""

from typing import Final

REASON_LEAVING: Final = 3

_REASONS: Final = {
    0: "the chip does not say why",
    1: "no reason given",
    2: "the authentication is no longer valid",
    3: "it is leaving",
    4: "inactivity",
    5: "it has no room for more stations",
    6: "a frame came from a station that is not authenticated",
    7: "a frame came from a station that is not associated",
    8: "it is leaving the group",
    9: "the station was not authenticated",
    13: "an element was invalid",
    14: "the message integrity check failed",
    15: "the 4-way handshake timed out",
    16: "the group key handshake timed out",
    17: "the RSN element of the handshake differs from the association's",
    18: "invalid group cipher",
    19: "invalid pairwise cipher",
    20: "invalid AKMP",
    21: "unsupported RSN element version",
    22: "invalid RSN capabilities",
    23: "IEEE 802.1X authentication failed",
    24: "the cipher suite is against its policy",
    34: "poor channel conditions",
    36: "the station is leaving",
    39: "the peer timed out",
    45: "the peer does not support the cipher suite",
}

_STATUSES: Final = {
    1: "unspecified failure",
    10: "cannot support all requested capabilities",
    11: "reassociation denied, no association exists",
    12: "association denied for a reason outside the standard",
    13: "authentication algorithm not supported",
    14: "authentication sequence number out of order",
    15: "challenge failure",
    16: "authentication timed out",
    17: "no room for more stations",
    18: "the station lacks a basic rate",
    27: "the station lacks HT",
    30: "refused for now, try later",
    31: "robust management frame policy violation",
    37: "the request was declined",
    38: "invalid parameters",
    40: "invalid element",
    41: "invalid group cipher",
    42: "invalid pairwise cipher",
    43: "invalid AKMP",
    44: "unsupported RSN element version",
    45: "invalid RSN capabilities",
    46: "the cipher suite is against its policy",
    53: "invalid PMKID",
    104: "the station lacks VHT",
}


def reason_words(code: int) -> str:
    """Say why a connection was ended."""
    return _REASONS.get(code, f"reason {code}")


def status_words(code: int) -> str:
    """Say why a request was refused."""
    return _STATUSES.get(code, f"status {code}")
