"""Puts the link info together that one connection writes, in one piece or in several (alliance protocol, 3.2).

The law: what is not yet complete JSON is kept, up to 1 KiB and for 5 seconds, and tried again with what the next write
brings. A write that begins a new object starts over.
"""

import re
from typing import Final

from stack.alliance.jsonobject import JsonError, parse_object
from stack.alliance.link_info import MAX_BYTES, LinkInfoError
from stack.alliance.quirks import outermost_braces

PATIENCE_MS: Final = 5_000

# A string, closed or not, or a brace. Possessive, so that no input makes it look twice.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}]', re.DOTALL)
_NESTING = {b"{": 1, b"}": -1}
_NEW_OBJECT = re.compile(rb'\s*\{\s*"')


class Inbox:
    """The writes of one connection. Times are milliseconds of any steady clock."""

    def __init__(self) -> None:
        """Start empty."""
        self._held = b""
        self._since_ms = 0

    def put(self, part: bytes, now_ms: int) -> bytes | None:
        """Take what was written; return the whole value once it is complete JSON, `None` while more is due.

        Raises `JsonError` or `LinkInfoError` for what can never become an offer; what was kept is forgotten then.
        """
        held, self._held = self._held, b""
        if now_ms - self._since_ms > PATIENCE_MS:
            held = b""
        continues = bool(held) and not _starts_over(held, part)
        # A piece from the middle may hold a whole object that is only a part of the offer.
        for value in (held + part,) if continues else (held + part, part):
            if _is_complete(value):
                return value
        if continues:
            self._keep(held + part, self._since_ms)
        else:
            self._keep(part[part.find(b"{") :] if b"{" in part else b"", now_ms)
        return None

    def _keep(self, value: bytes, since_ms: int) -> None:
        if not value:
            raise LinkInfoError("What the phone wrote is no JSON.")
        if len(value) > MAX_BYTES:
            raise LinkInfoError(f"What the phone wrote is longer than {MAX_BYTES} bytes.")
        if not _is_open(value):
            parse_object(outermost_braces(value), MAX_BYTES)  # raises, and says why
        self._held, self._since_ms = value, since_ms


def _is_complete(value: bytes) -> bool:
    try:
        parse_object(outermost_braces(value), MAX_BYTES)
    except JsonError:
        return False
    return True


def _is_open(value: bytes) -> bool:
    """Whether the first object in `value` is not closed yet, so that more can complete it."""
    depth = 0
    for token in _TOKEN.finditer(value):
        depth += _NESTING.get(token[0], 0)
        if depth == 0 and token[0] == b"}":
            return False
    return True


def _starts_over(held: bytes, part: bytes) -> bool:
    """An object inside the object stands after a colon; anywhere else, a new one begins."""
    return _NEW_OBJECT.match(part) is not None and not held.rstrip().endswith(b":")
