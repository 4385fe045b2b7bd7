"""What the phone sends: small albums from a seed, with all that is awkward about real ones.

The library is not asked where a file belongs: the day is decided here first, and then written into name, EXIF or time.
"""

import hashlib
import io
import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PIL import Image

_EXIF_FOLDER, _DATE_TIME_ORIGINAL = 0x8769, 0x9003
_REMEMBERED = 40  # files that may come again


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was offered: its content, and the path under which an archive has to have it."""

    name: str
    sha256: str
    size_bytes: int
    place: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of the phone. `taken` is the day that Ferry has to find out."""

    name: str
    content: bytes
    taken: datetime

    @property
    def sent(self) -> Sent:
        """What to expect of it."""
        digest = hashlib.sha256(self.content).hexdigest()
        return Sent(self.name, digest, len(self.content), f"{self.taken:%Y/%Y-%m-%d}/{self.name}")

    def write(self, folder: Path) -> None:
        """Put it into the phone's folder, as old as it is."""
        (folder / self.name).write_bytes(self.content)
        os.utime(folder / self.name, (self.taken.timestamp(),) * 2)


class Camera:
    """Makes albums without end; the same ones for the same dice."""

    def __init__(self, dice: random.Random, video_bytes: tuple[int, int]) -> None:
        """Make videos between two sizes."""
        self._dice = dice
        self._video_bytes = video_bytes
        self._old: list[Picture] = []
        self._kinds = {
            self._named: 8,
            self._with_exif: 4,
            self._undated: 2,
            self._shared_again: 3,
            self._same_name: 3,
            self._video: 1,
        }

    def albums(self) -> Iterator[list[Picture]]:
        """Albums of one to eight files. No name comes twice in one: a folder could not hold that."""
        while True:
            makers = self._dice.choices(list(self._kinds), list(self._kinds.values()), k=self._dice.randint(1, 8))
            album = {picture.name: picture for picture in (make() for make in makers)}
            self._remember(album.values())
            yield list(album.values())

    def _remember(self, pictures: Iterable[Picture]) -> None:
        self._old += [each for each in pictures if len(each.content) < 1 << 20]
        del self._old[:-_REMEMBERED]

    def _named(self) -> Picture:
        taken = self._date()
        return Picture(f"IMG_{taken:%Y%m%d_%H%M%S}.jpg", self._bytes(20_000, 400_000), taken)

    def _with_exif(self) -> Picture:
        """The name tells another day than EXIF, which is right."""
        taken, named = self._date(), self._date()
        return Picture(f"IMG_{named:%Y%m%d_%H%M%S}.jpg", self._jpeg(taken), taken)

    def _undated(self) -> Picture:
        taken = self._date().replace(hour=12)  # noon: the same day in the zones of phone and station
        return Picture(f"holiday-{self._dice.randrange(10**6)}.png", self._bytes(5_000, 50_000), taken)

    def _video(self) -> Picture:
        taken = self._date()
        return Picture(f"VID_{taken:%Y%m%d_%H%M%S}.mp4", self._bytes(*self._video_bytes), taken)

    def _shared_again(self) -> Picture:
        """Content that was sent before, under a name that says nothing."""
        if not self._old:
            return self._named()
        old = self._dice.choice(self._old)
        return Picture(f"shared-{self._dice.randrange(10**6)}.jpg", old.content, old.taken)

    def _same_name(self) -> Picture:
        """Another photo under a name that was sent before."""
        named = [each for each in self._old if each.name.startswith("IMG_")]
        if not named:
            return self._named()
        name = self._dice.choice(named).name
        return Picture(name, self._bytes(20_000, 400_000), datetime.strptime(name[4:19], "%Y%m%d_%H%M%S"))

    def _date(self) -> datetime:
        return datetime.fromtimestamp(self._dice.randrange(1_500_000_000, 1_700_000_000))

    def _bytes(self, least: int, most: int) -> bytes:
        return self._dice.randbytes(self._dice.randint(least, most))

    def _jpeg(self, taken: datetime) -> bytes:
        side = self._dice.randint(32, 160)
        picture = Image.frombytes("RGB", (side, side), self._dice.randbytes(3 * side * side))
        exif = Image.Exif()
        exif.get_ifd(_EXIF_FOLDER)[_DATE_TIME_ORIGINAL] = f"{taken:%Y:%m:%d %H:%M:%S}"
        file = io.BytesIO()
        picture.save(file, "JPEG", exif=exif)
        return file.getvalue()
