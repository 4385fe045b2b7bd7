"""The kernel's attribute files (sysfs, procfs) below a root that tests point elsewhere.

Devices come and go, and their drivers answer nonsense: what cannot be read, or is no plausible value, is `None`, never
an error. Only a write can fail.
"""

from dataclasses import dataclass
from pathlib import Path

_ATTRIBUTE_BYTES = 4096  # a sysfs attribute is at most one page


@dataclass(frozen=True, slots=True)
class Sysfs:
    """Attributes by their path without the leading slash, such as `sys/class/leds/ACT/trigger`."""

    root: Path = Path("/")

    def text(self, path: str) -> str | None:
        """Return what an attribute holds, without the newline or the NUL at its end."""
        try:
            with (self.root / path).open("rb", buffering=0) as attribute:
                content = attribute.read(_ATTRIBUTE_BYTES)
        except OSError:
            return None
        return content.decode(errors="replace").strip("\0\n ")

    def number(self, path: str, lowest: int, highest: int) -> int | None:
        """Return a decimal attribute if it lies in the range that a sane device can report."""
        try:
            value = int(self.text(path) or "")
        except ValueError:
            return None
        return value if lowest <= value <= highest else None

    def flag(self, path: str) -> bool | None:
        """Return an attribute that is 0 or 1."""
        value = self.number(path, 0, 1)
        return None if value is None else bool(value)

    def write(self, path: str, text: str) -> None:
        """Write an attribute with one system call. Raises `OSError`; never makes a file."""
        with (self.root / path).open("r+b", buffering=0) as attribute:
            attribute.write(text.encode())

    def find(self, pattern: str) -> list[str]:
        """Return the paths that match a shell pattern, in order."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))
