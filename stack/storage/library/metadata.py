"""What a media file says of its own date. Texts as they stand in the file: claims, not yet dates.

The process that reads them is not trusted, so what it answers is checked here.
"""

import json
from dataclasses import dataclass, fields
from datetime import tzinfo

from stack.storage.library.dates import CaptureDate, DateSource, from_claim, from_movie_seconds

MAX_ANSWER_BYTES = 4096

MAX_TEXT = 64


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """Dates of one file. `taken` and `digitized` with their offsets are EXIF's, the rest is QuickTime's and MP4's.

    movie_date: with a time zone, where present. movie_seconds: of the movie header, in UTC, mostly since 1904; 0 is
    none. problem: why the file could not be read to the end, "" if it could.
    """

    taken: str = ""
    taken_offset: str = ""
    digitized: str = ""
    digitized_offset: str = ""
    movie_date: str = ""
    movie_seconds: int = 0
    problem: str = ""

    def claims(self, zone: tzinfo) -> list[CaptureDate | None]:
        """Everything that may be the date, the most trusted first. What is in UTC is shown by the clocks in `zone`."""
        return [
            from_claim(self.taken, DateSource.EXIF, self.taken_offset),
            from_claim(self.digitized, DateSource.EXIF, self.digitized_offset),
            from_claim(self.movie_date, DateSource.CONTAINER),
            from_movie_seconds(self.movie_seconds, zone),
        ]


def parse_answer(answer: bytes) -> FileMetadata | None:
    """Read what the process answered. None if it is not what it should be."""
    try:
        said = json.loads(answer)
        known = {field.name: said[field.name] for field in fields(FileMetadata)}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    seconds = known["movie_seconds"]
    if type(seconds) is not int or not 0 <= seconds < 1 << 64:
        return None
    texts = [text for name, text in known.items() if name != "movie_seconds"]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
        return None
    return FileMetadata(**known)
