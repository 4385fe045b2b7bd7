r"""What comes over the control interface, as text: answers, events, and the lists in answers. Pure.

An answer is anything; an event begins with its priority, on the global socket after the interface that it is about:

    OK
    IFNAME=ferry0 <3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="a \"b\"" auth_failures=1 duration=10 reason=WRONG_KEY

Names of networks are the only thing in there that a stranger chooses. They come quoted and escaped as in C, so no part
of one passes for a field.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

_EVENT = re.compile(r"(?:IFNAME=(?P<interface>\S+) )?<(?P<priority>\d)>(?P<name>\S*) ?(?P<text>.*)", re.DOTALL)
_FIELD = re.compile(r"""(?<!\S)(\w+)=("(?:\\.|[^"\\])*"|\S*)""", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"e": b"\x1b"}
_ADDRESS = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_NAME = re.compile(r"\S+")
_REFUSALS: Final = ("FAIL", "UNKNOWN COMMAND")


@dataclass(frozen=True)
class Event:
    """Something has happened. `interface` is empty where it is about none, or not said; `name` is the first word."""

    interface: str
    priority: int
    name: str
    text: str

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """What it says as `key=value`; quotation marks are taken away, escapes are as they came (`unescape`)."""
        return {key: _unquoted(value) for key, value in _FIELD.findall(self.text)}

    def number(self, field: str) -> int:
        """Return a field that is a number, 0 if it is not there or is none."""
        said = self.fields.get(field, "")
        return int(said) if re.fullmatch(r"-?[0-9]{1,9}", said) else 0


@dataclass(frozen=True, slots=True)
class Bss:
    """An entry of the table of those that were heard. `elements` are of its probe response, or of its beacon."""

    id: int
    bssid: bytes
    frequency_mhz: int
    signal_dbm: int
    capability: int
    elements: bytes
    beacon_elements: bytes


def decode(datagram: bytes) -> str:
    """Read a datagram as text. Never fails: what is no UTF-8 is replaced."""
    return datagram.decode(errors="replace")


def parse_event(message: str) -> Event | None:
    """Read an event, `None` if this is an answer."""
    found = _EVENT.fullmatch(message.rstrip("\n"))
    if found is None:
        return None
    return Event(found["interface"] or "", int(found["priority"]), found["name"], found["text"])


def is_refusal(answer: str) -> bool:
    """Whether an answer says no."""
    return answer.startswith(_REFUSALS)


def parse_fields(answer: str) -> dict[str, str]:
    """Read lines of `key=value`, as STATUS answers them. Of repeated keys the first counts."""
    pairs = (line.partition("=") for line in answer.splitlines() if "=" in line)
    found: dict[str, str] = {}
    for key, _, value in pairs:
        found.setdefault(key, value)
    return found


def parse_names(answer: str) -> list[str]:
    """Read the answer to INTERFACES."""
    return _NAME.findall(answer)


def parse_table(answer: str) -> list[Bss]:
    """Read the answer to BSS RANGE. An entry that cannot be read is left out."""
    return [bss for entry in _entries(answer) if (bss := _bss(parse_fields(entry)))]


def unescape(text: str) -> bytes:
    r"""Undo the escapes of a network's name: \\ \" \n \r \t \e and \xHH."""
    return _ESCAPE.sub(_unescaped, text.encode())


def _unescaped(found: "re.Match[bytes]") -> bytes:
    if found[1] is not None:
        return bytes.fromhex(found[1].decode())
    return _ESCAPED.get(found[2], found[2])


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if is_quoted else value


def _entries(answer: str) -> Iterator[str]:
    """Each entry begins with its id."""
    starts = [found.start() for found in re.finditer(r"^id=", answer, re.MULTILINE)]
    for start, end in pairwise([*starts, len(answer)]):
        yield answer[start:end]


def _address(text: str) -> bytes:
    if not _ADDRESS.fullmatch(text):
        raise ValueError
    return bytes.fromhex(text.replace(":", ""))


def _bss(fields: Mapping[str, str]) -> Bss | None:
    try:
        return Bss(
            id=int(fields["id"]),
            bssid=_address(fields["bssid"]),
            frequency_mhz=int(fields["freq"]),
            signal_dbm=int(fields["level"]),
            capability=int(fields["capabilities"], 16),
            elements=bytes.fromhex(fields.get("ie", "")),
            beacon_elements=bytes.fromhex(fields.get("beacon_ie", "")),
        )
    except (KeyError, ValueError):
        return None
