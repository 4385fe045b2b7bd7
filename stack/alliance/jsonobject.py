"""JSON objects from strangers: bounded before they are parsed, typed when they are read (alliance protocol, 8).

Getters are lenient where phones are: a number may come as a string, a task id as a number. What is missing
and what has the wrong type look the same: `None`. What is ambiguous (a key given twice, NaN) is refused as a whole.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from board.errors import RemoteProtocolError
from stack.alliance.text import without_lone_surrogates

MAX_DEPTH = 16

# A sendRequest of ten thousand photos lists about 120,000 strings, brackets and commas.
# The limit is on memory: a megabyte of "[],[]," would become fifty megabytes of lists.
MAX_TOKENS = 200_000

_INT64_MAX = 2**63 - 1
_INT64_DIGITS = 19

# A string, closed or not, or one character of structure. Possessive, so that no input makes it look twice.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
_NESTING = {"[": 1, "{": 1, "]": -1, "}": -1}
_DECIMAL = re.compile(r"-?[0-9]+", re.ASCII)


class JsonError(RemoteProtocolError):
    """The peer sent text that is not one well-formed JSON object within our limits."""

    remedy = "Share again. If it happens every time, report the phone's model and app version."


@dataclass(frozen=True, slots=True)
class JsonObject:
    """One parsed object. Unknown fields stay and are never looked at."""

    fields: Mapping[str, object] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Give the string `name`, or an integer in decimal; `None` if it is missing or something else."""
        value = self.fields.get(name)
        if isinstance(value, str):
            return without_lone_surrogates(value)
        return str(value) if _is_integer(value) else None

    def integer(self, name: str) -> int | None:
        """Give the integer `name`, also from a decimal string or 3.0, clamped to 64 bits; else `None`."""
        value = self.fields.get(name)
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            return _int64(value)
        if isinstance(value, float) and value.is_integer():
            return _clamp(int(value))
        return value if isinstance(value, int) and _is_integer(value) else None

    def to_json(self) -> str:
        """Write the object as one line without spaces. What UTF-8 cannot carry becomes a question mark."""
        text = json.dumps(self.fields, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace").decode("utf-8")


def parse_object(data: bytes | str, max_bytes: int) -> JsonObject:
    """Parse one JSON object of at most `max_bytes` UTF-8 bytes, or raise `JsonError`. Integers saturate at 64 bits."""
    text = _bounded_text(data, max_bytes)
    _check_shape(text)
    try:
        value = json.loads(
            text, parse_int=_int64, parse_constant=_refuse_constant, object_pairs_hook=_object_without_duplicates
        )
    except ValueError as error:
        raise JsonError("The text is not JSON.") from error
    if not isinstance(value, dict):
        raise JsonError("The JSON is not an object.")
    return JsonObject(value)


def _bounded_text(data: bytes | str, max_bytes: int) -> str:
    try:
        encoded = data.encode() if isinstance(data, str) else data
        if len(encoded) > max_bytes:
            raise JsonError(f"The JSON is longer than {max_bytes} bytes.")
        return encoded.decode()
    except UnicodeError as error:
        raise JsonError("The JSON is not UTF-8.") from error


def _check_shape(text: str) -> None:
    """Refuse what would cost the parser more stack or memory than any phone needs."""
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text), start=1):
        depth += _NESTING.get(text[token.start()], 0)
        if depth > MAX_DEPTH:
            raise JsonError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
        if count > MAX_TOKENS:
            raise JsonError("The JSON has too many values.")


def _object_without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise JsonError("The JSON names a field twice.")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"The JSON holds {name}, which is no number.")


def _int64(digits: str) -> int:
    """Convert without ever building a huge integer: Python refuses 4301 digits, and 4300 are slow enough."""
    sign = -1 if digits.startswith("-") else 1
    magnitude = digits.removeprefix("-").lstrip("0")
    if len(magnitude) > _INT64_DIGITS:
        return sign * _INT64_MAX
    return _clamp(sign * int(magnitude or "0"))


def _clamp(value: int) -> int:
    return max(-_INT64_MAX, min(value, _INT64_MAX))


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
