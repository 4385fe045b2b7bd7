"""Path templates: `{year}/{year}-{month}-{day}/{name}`. Strict when they are read, harmless when they are filled in.

A template is a relative path of at most eight components. Its last component ends with `{name}`, which carries the
extension and appears nowhere else. All else may mix text and fields. Text that some server cannot store is an error,
a value that some server cannot store is changed (`names.safe_name`), so the path never leaves the library.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stack.storage.library.errors import TemplateError
from stack.storage.names import safe_name

# What may stand in braces, and what it becomes.
FIELDS: dict[str, str] = {
    "year": "the year of the capture, four digits",
    "month": "its month, two digits",
    "day": "its day, two digits",
    "name": "the phone's name for the file",
    "device": "the name of the phone",
    "brand": "its brand",
    "type": "photo, video, raw or other",
    "task": "the id of the transfer",
    "hash8": "the first eight digits of the content's SHA-256",
    "seq": "the number of the file in its transfer, four digits",
}
DEFAULT_TEMPLATE = "{year}/{year}-{month}-{day}/{name}"
MAX_COMPONENTS = 8
UNKNOWN = "unknown"

_NAME = "name"
_PART = re.compile(r"\{([^{}/]*)\}|[^{}]+")
_KNOWN = "The fields are " + ", ".join(f"{{{field}}}" for field in FIELDS) + "."
_RELATIVE = "Write folders separated by one '/', for example " + DEFAULT_TEMPLATE + "."
_ENDS_WITH_NAME = "Let the path end with {name}, and use it only there."
_PLAIN = "Use text that every server takes: none of < > : \" | ? * \\, no dot, space or '-' at the edges of a folder."


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class _Field:
    field: str


_Component = tuple[_Text | _Field, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template. Made by `parse_template`."""

    components: tuple[_Component, ...]

    def render(self, values: Mapping[str, str]) -> str:
        """The relative POSIX path for these values of `FIELDS`; an empty value becomes "unknown"."""
        return "/".join(safe_name("".join(_shown(part, values) for part in parts)) for parts in self.components)


def parse_template(text: str) -> Template:
    """Check a template. Raises `TemplateError`."""
    components = []
    position = 0
    for component in text.split("/"):
        components.append(_parse_component(text, component, position))
        position += len(component) + 1
    if len(components) > MAX_COMPONENTS:
        raise TemplateError(f"there are more than {MAX_COMPONENTS} folders and names", text, len(text) - 1, _RELATIVE)
    _require_name_at_the_end(text, components)
    return Template(tuple(components))


def _parse_component(text: str, component: str, start: int) -> _Component:
    if not component:
        raise TemplateError("a folder has no name", text, start, _RELATIVE)
    parts: list[_Text | _Field] = []
    positions: list[int] = []
    at = 0
    while at < len(component):
        found = _PART.match(component, at)
        if found is None:
            raise TemplateError("a brace has no partner", text, start + at, _KNOWN)
        parts.append(_part(text, found, start + at))
        positions += [start + at] if isinstance(parts[-1], _Field) else range(start + at, start + found.end())
        at = found.end()
    _require_plain(text, parts, positions)
    return tuple(parts)


def _part(text: str, found: re.Match[str], position: int) -> _Text | _Field:
    field = found[1]
    if field is None:
        return _Text(found[0])
    if field not in FIELDS:
        raise TemplateError(f"there is no field {{{field}}}", text, position, _KNOWN)
    return _Field(field)


def _require_plain(text: str, parts: list[_Text | _Field], positions: list[int]) -> None:
    """What matters is the text around the fields, so each of them counts as one letter here."""
    plain = "".join(part.text if isinstance(part, _Text) else "x" for part in parts)
    harmless = safe_name(plain)
    if harmless != plain:
        pairs = enumerate(zip(plain, harmless, strict=False))
        at = next((at for at, (wished, possible) in pairs if wished != possible), len(harmless))
        raise TemplateError(f"not every server takes the name {plain!r}", text, positions[at], _PLAIN)


def _require_name_at_the_end(text: str, components: list[_Component]) -> None:
    fields = [part for parts in components for part in parts if part == _Field(_NAME)]
    if len(fields) != 1 or components[-1][-1] != _Field(_NAME):
        raise TemplateError("{name} is missing or not at the end", text, len(text), _ENDS_WITH_NAME)


def _shown(part: _Text | _Field, values: Mapping[str, str]) -> str:
    if isinstance(part, _Text):
        return part.text
    return values[part.field].replace("/", "_").replace("\\", "_") or UNKNOWN
