"""The station's side of the credential exchange: what phones read, and what comes of what they write (protocol 3, 4).

The law: a phone's write is opened with the key that it has read on its connection, whatever others did meanwhile.
After an accepted write a fresh pair takes over for that connection and for all who read later, which limits replays.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from stack.alliance.device_info import STATE_BUSY, STATE_READY, UNKNOWN_MAC, DeviceInfo, build_device_info
from stack.alliance.inbox import Inbox
from stack.alliance.link_info import LinkInfo, parse_link_info

if TYPE_CHECKING:  # cryptography is heavy: who makes the keys has imported it
    from stack.alliance.cipher import KeyPair


class Credentials:
    """The station's keys. `busy` is what phones read as their state; their writes are then swallowed."""

    def __init__(self, new_keys: Callable[[], "KeyPair"], mac: str = UNKNOWN_MAC) -> None:
        """Take pairs from `new_keys`; `mac` is the address with which the station will join."""
        self.busy = False
        self.mac = mac
        self._new_keys = new_keys
        self.keys = new_keys()

    def renew(self) -> None:
        """Replace the pair."""
        self.keys = self._new_keys()


class CredentialExchange:
    """One connection's part in it."""

    def __init__(self, credentials: Credentials) -> None:
        """Begin with the station's pair of this moment."""
        self._credentials = credentials
        self._keys = credentials.keys
        self._inbox = Inbox()

    def status(self) -> bytes:
        """Build the value of the status characteristic."""
        self._keys = self._credentials.keys
        state = STATE_BUSY if self._credentials.busy else STATE_READY
        return build_device_info(DeviceInfo(self._keys.public_key, self._credentials.mac, state))

    def write(self, part: bytes, now_ms: int) -> LinkInfo | None:
        """Take a write to the p2p characteristic; return the link info once it is whole and good.

        Raises `RemoteProtocolError` for what is certainly no offer that could be used.
        """
        if self._credentials.busy:
            return None
        value = self._inbox.put(part, now_ms)
        if value is None:
            return None
        info = parse_link_info(value, self._keys)
        self._credentials.renew()
        self._keys = self._credentials.keys
        return info
