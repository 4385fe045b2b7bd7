"""Secrets of sinks: never printed, read from files that nobody else can read, or from systemd's credentials."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stack.storage.sinks.errors import SecretError

_MAX_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Secret:
    """A password or key. Shows itself to `reveal` only."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The secret itself, for the one who has to present it."""
        return self._text

    def __str__(self) -> str:
        return "(secret)"


def from_file(path: Path) -> Secret:
    """The first line of a file that only its user can read. Raises `SecretError`."""
    return _read(path, stat.S_IRWXG | stat.S_IRWXO)


def _read(path: Path, forbidden_mode: int) -> Secret:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & forbidden_mode:
                raise SecretError(f"others on this machine can read {path}")
            text = file.read(_MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SecretError(f"the secret in {path} cannot be read: {reason}") from None
    return _first_line(text, str(path))


def from_credential(name: str, environment: Mapping[str, str] = os.environ) -> Secret:
    """The credential `name` that systemd gives to this service. Raises `SecretError`.

    systemd lets the service's user read it by an access list, whose mask shows as the mode of a group.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder is None or name != Path(name).name:
        raise SecretError(f"there is no credential {name!r}: systemd passes none, or its name is no file name")
    return _read(Path(folder) / name, stat.S_IRWXO)


def _first_line(text: str, place: str) -> Secret:
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise SecretError(f"{place} is empty")
    return Secret(lines[0])
