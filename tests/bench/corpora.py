"""What is sent: archives as phones make them, prepared once and kept under build/bench/.

Two kinds of content decide everything about a receiver's cost:

* `rand`: random bytes in files of 4 to 200 MB. Deflate finds nothing and emits stored blocks, as with HEIC and video.
* `jpeg`: photographs of 3 to 6 MB. Deflate at zlib's default level saves about half a percent and emits Huffman
  literals, so that inflate costs more than all the rest.

The form is that of `java.util.zip.ZipOutputStream` (alliance protocol, 6.6): flags 0x0808, sizes in a signed data
descriptor, names `index/name`. Written by hand: the code under test must not make its own examination papers.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tests.bench.measure import CACHE, BenchError, say

if TYPE_CHECKING:
    from PIL.Image import Image

MIB = 1 << 20
LARGEST_MIB = 3900  # the writer below knows no Zip64

_FLAGS, _DEFLATED = 0x0808, 8
_DOS_TIME, _DOS_DATE = 12 << 11, (2026 - 1980) << 9 | 6 << 5 | 1
_RAND_MIB = (4, 30, 6, 200, 5, 12, 80, 4, 8)
_PHOTO_SIZE = (4624, 3468)
_PHOTO_QUALITY = 94
_BLOCK = MIB

Blocks = Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Corpus:
    """One prepared archive. `size_bytes` counts the files in it, unpacked."""

    name: str
    path: Path
    files: int
    size_bytes: int
    packed_bytes: int

    @property
    def gib(self) -> float:
        return self.size_bytes / (1 << 30)

    @property
    def saved_percent(self) -> float:
        """What deflate saved."""
        return 100 * (1 - self.packed_bytes / self.size_bytes)


def rand(mib: int) -> Corpus:
    """Random bytes, `mib` MiB in all."""
    sizes = list(_sizes(mib))
    return _cached(f"rand-{mib}", [_Source(f"VID_{i:04}.mp4", _random_blocks(i, size)) for i, size in enumerate(sizes)])


def equal(count: int, size_bytes: int) -> Corpus:
    """`count` files of random bytes, all of one size."""
    blocks = [_Source(f"IMG_{i:04}.heic", _random_blocks(i, size_bytes)) for i in range(count)]
    return _cached(f"{count}x{size_bytes}", blocks)


def tiny() -> Corpus:
    """Next to nothing: what a run on it costs is start-up."""
    return equal(1, 1024)


def jpeg(mib: int) -> Corpus:
    """Photographs, about `mib` MiB in all."""
    count = max(1, round(mib / _PHOTO_MIB))
    return _cached(f"jpeg-{mib}", [_Source(f"IMG_{i:04}.jpg", _photo_blocks(i)) for i in range(count)])


def load(path: Path) -> Corpus:
    """Describe an archive by its central directory."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    return Corpus(path.stem, path, len(entries), size, sum(entry.compress_size for entry in entries))


# Content.

_PHOTO_MIB = 4.17  # on average


def _sizes(mib: int) -> Iterator[int]:
    left = mib * MIB
    for size_mib in cycle(_RAND_MIB):
        if not left:
            return
        size = min(left, size_mib * MIB)
        yield size
        left -= size


def _random_blocks(seed: int, size: int) -> Blocks:
    source = random.Random(seed)
    for start in range(0, size, _BLOCK):
        yield source.randbytes(min(_BLOCK, size - start))


def _photo_blocks(seed: int) -> Blocks:
    yield _photo(seed)


def _photo(seed: int) -> bytes:
    """A picture with the entropy of a photograph: soft shapes, and noise like a small sensor's."""
    from PIL import Image

    source = random.Random(seed)
    width, height = size = source.randrange(3900, 4500), source.randrange(2900, 3400)
    left, top = source.randrange(_PHOTO_SIZE[0] - width), source.randrange(_PHOTO_SIZE[1] - height)
    luma, blue, red = (plane.crop((left, top, left + width, top + height)) for plane in _shapes())
    noise = Image.frombytes("L", size, source.randbytes(width * height))
    photo = Image.merge("YCbCr", [Image.blend(luma, noise, source.uniform(0.04, 0.06)), blue, red])
    target = io.BytesIO()
    photo.save(target, "JPEG", quality=_PHOTO_QUALITY)
    return target.getvalue()


@cache
def _shapes() -> "tuple[Image, Image, Image]":
    from PIL import Image

    source = random.Random(0)

    def soft(cell: int) -> Image.Image:
        width, height = (length // cell + 2 for length in _PHOTO_SIZE)
        coarse = Image.frombytes("L", (width, height), source.randbytes(width * height))
        return coarse.resize(_PHOTO_SIZE, Image.Resampling.BICUBIC)

    return Image.blend(soft(200), soft(24), 0.3), soft(150), soft(150)


# The archive.


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    blocks: Blocks


@dataclass(frozen=True, slots=True)
class _Packed:
    name: bytes
    crc: int
    size: int
    data: list[bytes]

    @property
    def packed_size(self) -> int:
        return sum(map(len, self.data))


def _cached(name: str, sources: Sequence[_Source]) -> Corpus:
    path = CACHE / f"{name}.zip"
    if not path.exists():
        say(f"preparing {path.name} (once)")
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as target, ThreadPoolExecutor(2) as pool:
            _write_archive(target, pool.map(_pack, range(len(sources)), sources))
        partial.rename(path)
        corpus = load(path)
        say(f"{path.name}: {corpus.files} files, {corpus.size_bytes / MIB:.0f} MiB, {_blocks_of(path)}")
        if name.startswith("jpeg") and corpus.saved_percent < 0.1:
            raise BenchError(f"{path} is no photographs' archive: deflate saved {corpus.saved_percent:.2f} %")
    return load(path)


def _pack(index: int, source: _Source) -> _Packed:
    deflate = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    crc = size = 0
    data = []
    for block in source.blocks:
        crc = zlib.crc32(block, crc)
        size += len(block)
        data.append(deflate.compress(block))
    data.append(deflate.flush())
    return _Packed(f"{index}/{source.name}".encode(), crc, size, data)


def _write_archive(target: BinaryIO, entries: Iterator[_Packed]) -> None:
    central, count = bytearray(), 0
    for entry in entries:
        offset = target.tell()
        times = (20, _FLAGS, _DEFLATED, _DOS_TIME, _DOS_DATE)
        sizes = (entry.crc, entry.packed_size, entry.size)
        target.write(struct.pack("<4s5H3I2H", b"PK\3\4", *times, 0, 0, 0, len(entry.name), 0) + entry.name)
        target.writelines(entry.data)
        target.write(struct.pack("<4s3I", b"PK\7\x08", *sizes))
        central += struct.pack("<4sH5H3I5H2I", b"PK\1\2", 20, *times, *sizes, len(entry.name), 0, 0, 0, 0, 0, offset)
        central += entry.name
        count += 1
    offset = target.tell()
    target.write(central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(central), offset, 0))


def _blocks_of(path: Path) -> str:
    """Say what deflate made of the content, by the first block of the first entry (RFC 1951, 3.2.3)."""
    with path.open("rb") as archive:
        name_length, extra_length = struct.unpack("<26x2H", archive.read(30))
        archive.seek(30 + name_length + extra_length)
        block_type = ("stored", "fixed Huffman", "dynamic Huffman", "invalid")[archive.read(1)[0] >> 1 & 3]
    return f"deflate saved {load(path).saved_percent:.2f} % and starts with a {block_type} block"


PREPARE: dict[str, Callable[[int], Corpus]] = {"rand": rand, "jpeg": jpeg}
