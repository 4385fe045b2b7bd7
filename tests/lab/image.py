"""The built guest: a kernel, what starts it, and a disk with its root. Made once for each recipe, then kept."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import recipe
from tests.lab.kernel import keep_modules, load_order, unpack_kernel
from tests.lab.root import make_root, strip_root
from tests.lab.tools import require_programs, run
from tests.lab.wheels import install_wheels

_LIMIT_S = 300
_MIB = 1024 * 1024
_SPARE_MIB = 64


@dataclass(frozen=True, slots=True)
class Image:
    """A built guest. Nothing in it is ever written."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """An ELF file that QEMU starts."""
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path:
        """The first process and the modules it needs."""
        return self.folder / "initrd"

    @property
    def root(self) -> Path:
        """A disk image, ext4."""
        return self.folder / "root.ext4"


def built_image() -> Image:
    """Return the guest of this recipe, after building it if it is not there. Raises `LabError`."""
    require_programs()
    image = Image(recipe.CACHE / "images" / recipe.key())
    if not image.folder.exists():
        image.folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(recipe.CACHE / "build.lock"):
            if not image.folder.exists():
                _remove_others(image.folder.parent)
                _build(image.folder)
    return image


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_others(folder: Path) -> None:
    """Remove images of older recipes, and what killed builds left. A running guest keeps its files open."""
    for path in folder.iterdir():
        shutil.rmtree(path)


def _build(folder: Path) -> None:
    print("lab: building the guest, this takes some minutes", flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unfinished-") as work:
        _make(Path(work).resolve(), Image(Path(work) / "done"))
        (Path(work) / "done").rename(folder)


def _make(work: Path, image: Image) -> None:
    root = work / "root"
    image.folder.mkdir()
    make_root(root)
    unpack_kernel(root, image.kernel)
    keep_modules(root, (*recipe.BOOT_MODULES, *recipe.MODULES))
    install_wheels(root)
    _make_initrd(root, work / "start", image.initrd)
    strip_root(root)
    _make_disk(root, image.root)


def _make_initrd(root: Path, start: Path, initrd: Path) -> None:
    (start / "modules").mkdir(parents=True)
    for name in ("bin", "dev", "proc", "sys", "root", "below", "above"):
        (start / name).mkdir()
    for number, module in enumerate(load_order(root, recipe.BOOT_MODULES)):
        shutil.copyfile(module, start / "modules" / f"{number:02}-{module.name}")
    shutil.copy(root / "usr/bin/busybox", start / "bin/busybox")
    shutil.copyfile(Path(__file__).parent / "inside/init.sh", start / "init")
    (start / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(start)) for path in sorted(start.rglob("*")))
    initrd.write_bytes(run("cpio", "--quiet", "-o", "-H", "newc", cwd=start, stdin=names.encode(), timeout_s=_LIMIT_S))


def _make_disk(root: Path, disk: Path) -> None:
    used = sum(os.lstat(path).st_blocks * 512 for path in root.rglob("*"))
    size = f"{used // _MIB * 11 // 10 + _SPARE_MIB}M"
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", root, disk, size, timeout_s=_LIMIT_S)
