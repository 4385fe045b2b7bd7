"""The guest's kernel as QEMU starts it fastest, and of its modules those that are needed, unpacked."""

import lzma
from collections.abc import Iterable
from pathlib import Path

from tests.lab.tools import LabError, run

_LIMIT_S = 120

# Documentation/arch/x86/boot.rst of Linux
_SETUP_SECTORS = 0x1F1
_PAYLOAD_OFFSET = 0x248
_PAYLOAD_LENGTH = 0x24C
_SECTOR_BYTES = 512
_SIZE_TRAILER_BYTES = 4


def unpack_kernel(root: Path, into: Path) -> None:
    """Take the ELF file out of the bzImage below `root`: emulated, the kernel's own decompressor takes seconds."""
    (path,) = root.glob("boot/vmlinuz-*")
    image = path.read_bytes()
    start = (image[_SETUP_SECTORS] + 1) * _SECTOR_BYTES + _u32(image, _PAYLOAD_OFFSET)
    payload = image[start : start + _u32(image, _PAYLOAD_LENGTH) - _SIZE_TRAILER_BYTES]
    into.write_bytes(run("zstd", "-dc", stdin=payload, timeout_s=_LIMIT_S))


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def modules_folder(root: Path) -> Path:
    """Return the folder of the one kernel's modules below `root`."""
    (folder,) = root.glob("usr/lib/modules/*")
    return folder


def keep_modules(root: Path, names: Iterable[str]) -> None:
    """Remove all modules below `root` but `names` and what they need, and unpack those."""
    folder = modules_folder(root)
    run("depmod", "-b", root, folder.name, timeout_s=_LIMIT_S)
    wanted = set(load_order(root, names))
    for path in folder.rglob("*.ko.xz"):
        if path in wanted:
            path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
        path.unlink()
    run("depmod", "-b", root, folder.name, timeout_s=_LIMIT_S)


def load_order(root: Path, names: Iterable[str]) -> list[Path]:
    """Return the files of the modules `names` and of what they need, each after what it needs."""
    order: dict[Path, None] = {}
    for name in names:
        order |= dict.fromkeys(_files(root, name))
    return list(order)


def _files(root: Path, name: str) -> list[Path]:
    folder = modules_folder(root)
    output = run("modprobe", "-d", root, "-S", folder.name, "--show-depends", name, timeout_s=_LIMIT_S)
    lines = [line.split() for line in output.decode().splitlines()]
    if not lines:
        raise LabError(f"the kernel has no module {name}")
    return [Path(words[1]).resolve() for words in lines if words[0] == "insmod"]
