"""Names that phones send, made safe for every file system a photo may end up on. Never refuses a name."""

import unicodedata

MAX_NAME_BYTES = 255
DEFAULT_NAME = "file"

_MAX_EXTENSION_BYTES = 16
_FORBIDDEN = '<>:"|?*'
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_DIRECTIONS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SURROGATES = range(0xD800, 0xE000)
_REPLACED = dict.fromkeys([*map(ord, _FORBIDDEN), *_CONTROLS, *_DIRECTIONS, *_SURROGATES], "_")

_DEVICE_NUMBERS = "0123456789¹²³"
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [port + number for port in ("COM", "LPT") for number in _DEVICE_NUMBERS]
)


def safe_name(raw: str) -> str:
    """One harmless path component made of `raw`: NFC, at most 255 UTF-8 bytes, valid on Linux and Windows."""
    component = raw.replace("\\", "/").rpartition("/")[2]
    clean = unicodedata.normalize("NFC", component).translate(_REPLACED)
    stem, extension = _split(_guarded(clean))
    return _guarded(_fitted(stem, extension))


def numbered(name: str, number: int) -> str:
    """The safe `name` with a number before its extension: `IMG (2).jpg`. At most 255 UTF-8 bytes."""
    stem, extension = _split(name)
    return _fitted(stem, f" ({number}){extension}")


def _guarded(name: str) -> str:
    name = name.rstrip(". ") or DEFAULT_NAME
    device = name.partition(".")[0].rstrip(" ").upper()
    return f"_{name}" if name[0] in ".-" or device in _DEVICES else name


def _split(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _MAX_EXTENSION_BYTES:
        return name, ""
    return stem, dot + extension


def _fitted(stem: str, ending: str) -> str:
    room = MAX_NAME_BYTES - len(ending.encode())
    encoded = stem.encode()
    if len(encoded) <= room:
        return stem + ending
    return encoded[:room].decode(errors="ignore").rstrip(". ") + ending
