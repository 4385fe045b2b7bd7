"""What wpa_supplicant's events mean for a link. Pure."""

from collections.abc import Sequence
from typing import Final

from drivers.nl80211.codes import reason_words, status_words
from drivers.wpa_supplicant.wire import Event
from stack.link.backend import Network
from stack.link.joinable import reason_of_silence
from stack.link.reasons import LinkError, Reason

ASSOCIATED: Final = "Associated"
CONNECTED: Final = "CTRL-EVENT-CONNECTED"
DISCONNECTED: Final = "CTRL-EVENT-DISCONNECTED"
SCANNED: Final = "CTRL-EVENT-SCAN-RESULTS"
SCAN_FAILED: Final = "CTRL-EVENT-SCAN-FAILED"
NOT_FOUND: Final = "CTRL-EVENT-NETWORK-NOT-FOUND"
_REFUSALS: Final = ("CTRL-EVENT-AUTH-REJECT", "CTRL-EVENT-ASSOC-REJECT")
_PUT_OFF: Final = "CTRL-EVENT-SSID-TEMP-DISABLED"
FAILURES: Final = frozenset({DISCONNECTED, NOT_FOUND, _PUT_OFF, *_REFUSALS})


def explain(events: Sequence[Event], network: Network) -> LinkError:
    """Say why joining `network` failed: the first of `events` is a failure, the others came with it.

    A passphrase that is wrong looks like a connection that ended, until the event after that.
    """
    if any(each.name == _PUT_OFF and each.fields.get("reason") == "WRONG_KEY" for each in events):
        return LinkError(Reason.WRONG_PASSPHRASE)
    first = events[0]
    if first.name == DISCONNECTED:
        return LinkError(Reason.LOST, reason_words(first.number("reason")))
    if first.name == NOT_FOUND:
        return LinkError(Reason.LOST)
    if first.name in _REFUSALS and not _is_timeout(first):
        return LinkError(Reason.REFUSED, status_words(first.number("status_code")))
    return LinkError(reason_of_silence(network))


def _is_timeout(event: Event) -> bool:
    return any(word.partition("=")[0] == "timeout" for word in event.text.split())
