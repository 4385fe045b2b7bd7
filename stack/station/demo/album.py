"""The virtual phone's album: real JPEGs with EXIF dates and one file the size of a video.

Every run makes the same bytes, so that a second demo shows what "already safe" means.
"""

import random
from datetime import datetime, timedelta
from pathlib import Path

from board.errors import FerryError

PHOTO_COUNT = 12
VIDEO_BYTES = 200_000_000
_PHOTO_SIZE = (2000, 1500)
_FIRST = datetime(2026, 11, 21, 9, 30)
_EXIF_IFD, _DATE_TIME_ORIGINAL, _MODEL = 0x8769, 0x9003, 0x0110
_PIECE = 1_000_000


class AlbumError(FerryError):
    """The place for the album cannot be written, or is full."""

    remedy = "Name another place with --into, or share files of your own."


def make_album(folder: Path) -> list[Path]:
    """Return the album's files in `folder`, making those that are missing. Raises `AlbumError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_photo(folder, number) for number in range(PHOTO_COUNT)] + [_video(folder)]
    except OSError as error:
        raise AlbumError(f"the virtual phone's album cannot be made in {folder}: {error.strerror}") from None


def _photo(folder: Path, number: int) -> Path:
    taken = _FIRST + timedelta(minutes=37 * number)
    path = folder / f"IMG_{taken:%Y%m%d_%H%M%S}.jpg"
    if not path.exists():
        _draw(number, taken, path)
    return path


def _draw(number: int, taken: datetime, path: Path) -> None:
    """Draw a landscape of colour and grain: an encoder finds it about as hard as a photo."""
    from PIL import Image

    dice = random.Random(number)
    grain = Image.frombytes(
        "RGB", (_PHOTO_SIZE[0] // 4, _PHOTO_SIZE[1] // 4), dice.randbytes(_PHOTO_SIZE[0] * _PHOTO_SIZE[1] // 16 * 3)
    )
    sky = Image.linear_gradient("L").resize(_PHOTO_SIZE)
    tint = Image.merge("RGB", [sky.point(_dim(dice.randint(3, 9))) for _ in range(3)])
    exif = Image.Exif()
    exif[_MODEL] = "Ferry virtual phone"
    exif.get_ifd(_EXIF_IFD)[_DATE_TIME_ORIGINAL] = f"{taken:%Y:%m:%d %H:%M:%S}"
    unfinished = path.with_suffix(".part")
    Image.blend(tint, grain.resize(_PHOTO_SIZE), 0.35).save(unfinished, "JPEG", quality=92, exif=exif)
    unfinished.rename(path)


def _dim(tenths: int) -> list[int]:
    return [value * tenths // 10 for value in range(256)]


def _video(folder: Path) -> Path:
    """Make an MP4 in name and outer form whose content does not shrink, as a video's does not."""
    path = folder / f"VID_{_FIRST:%Y%m%d_%H%M%S}.mp4"
    if not path.exists():
        dice = random.Random(VIDEO_BYTES)
        head = (24).to_bytes(4, "big") + b"ftypmp42" + bytes(4) + b"mp42isom"
        head += (VIDEO_BYTES - len(head)).to_bytes(4, "big") + b"mdat"
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            file.write(head)
            for start in range(len(head), VIDEO_BYTES, _PIECE):
                file.write(dice.randbytes(min(_PIECE, VIDEO_BYTES - start)))
        unfinished.rename(path)
    return path
