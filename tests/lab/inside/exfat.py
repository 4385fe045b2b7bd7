"""Make an exFAT file system in a file of 16 MiB, as far as Linux asks for it: `python -m tests.lab.inside.exfat FILE`.

Clauses are those of Microsoft's exFAT specification, revision 1.00. Its up-case table knows the Latin letters.
"""

import struct
import sys
from pathlib import Path

SECTOR_BYTES = 512
CLUSTER_BYTES = 4096
SECTORS = 32_768
FAT_AT = 128  # sectors, as the next two
FAT_LENGTH = 64
HEAP_AT = 256
CLUSTERS = (SECTORS - HEAP_AT) * SECTOR_BYTES // CLUSTER_BYTES
BITMAP, UP_CASE, ROOT = 2, 3, 4  # the first three clusters
_AS_IT_IS = 0xFFFF  # so many characters as the next number says (7.2.5.1)
_END = 0xFFFF_FFFF
_NOT_SUMMED = (106, 107, 112)  # 3.4: VolumeFlags and PercentInUse change while it is mounted


def boot_region() -> bytes:
    """The first twelve sectors (2, 3.1 to 3.4)."""
    layout = (0, SECTORS, FAT_AT, FAT_LENGTH, HEAP_AT, CLUSTERS, ROOT, 0x1C5E, 0x0100, 0, 9, 3, 1, 0x80, 0xFF)
    boot = b"\xeb\x76\x90EXFAT   " + bytes(53) + struct.pack("<QQIIIIIIHHBBBBB", *layout) + bytes(397) + b"\x55\xaa"
    extended = (bytes(SECTOR_BYTES - 2) + b"\x55\xaa") * 8
    sectors = boot + extended + bytes(2 * SECTOR_BYTES)
    return sectors + struct.pack("<I", checksum(sectors, _NOT_SUMMED)) * (SECTOR_BYTES // 4)


def checksum(data: bytes, left_out: tuple[int, ...] = ()) -> int:
    """The sum of the first eleven sectors (3.4), or of the up-case table (7.2.2)."""
    total = 0
    for at, byte in enumerate(data):
        if at not in left_out:
            total = ((total >> 1) | (total << 31) & _END) + byte & _END
    return total


def up_case() -> bytes:
    """The up-case table (7.2)."""
    letters = range(ord("A"), ord("Z") + 1)
    return struct.pack("<2H26H2H", _AS_IT_IS, ord("a"), *letters, _AS_IT_IS, 0x10000 - ord("z") - 1)


def root_folder() -> bytes:
    """The entries that say where the allocation bitmap (7.1) and the up-case table (7.2) are."""
    table = up_case()
    bitmap = struct.pack("<BB18xIQ", 0x81, 0, BITMAP, (CLUSTERS + 7) // 8)
    return bitmap + struct.pack("<B3xI12xIQ", 0x82, checksum(table), UP_CASE, len(table))


def make(path: Path) -> None:
    """Make it."""
    clusters = (b"\x07", up_case(), root_folder())
    with path.open("r+b") as image:
        image.truncate(SECTORS * SECTOR_BYTES)
        image.write(boot_region() * 2)  # and its backup
        image.seek(FAT_AT * SECTOR_BYTES)
        image.write(struct.pack("<5I", 0xFFFF_FFF8, *[_END] * 4))
        for number, content in enumerate(clusters):
            image.seek(HEAP_AT * SECTOR_BYTES + number * CLUSTER_BYTES)
            image.write(content)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
