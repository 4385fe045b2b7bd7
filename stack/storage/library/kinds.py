"""What a file is, by the end of its name: enough to choose a folder and to keep together what belongs together."""

from enum import Enum


class Kind(Enum):
    """The `{type}` of a path template, and what rules ask for."""

    PHOTO = "photo"
    VIDEO = "video"
    RAW = "raw"
    OTHER = "other"


_EXTENSIONS: dict[Kind, str] = {
    Kind.PHOTO: "jpg jpeg jpe heic heif hif avif png webp gif tif tiff bmp jxl",
    Kind.VIDEO: "mp4 mov m4v 3gp 3g2 mkv webm avi mts m2ts mp",
    Kind.RAW: "dng cr2 cr3 crw nef nrw arw sr2 srf raf rw2 orf pef srw rwl 3fr iiq",
}
_KINDS = {extension: kind for kind, extensions in _EXTENSIONS.items() for extension in extensions.split()}

# Edits and descriptions that belong to the file beside them.
SIDECARS = frozenset({"xmp", "aae"})

KNOWN_EXTENSIONS = frozenset(_KINDS) | SIDECARS


def extension_of(name: str) -> str:
    """The end of the name in lower case, without its dot."""
    stem, _, extension = name.rpartition(".")
    return extension.lower() if stem else ""


def kind_of(name: str) -> Kind:
    """The kind that the end of the name tells."""
    return _KINDS.get(extension_of(name), Kind.OTHER)
