"""Makes the guest's root file system from the Debian mirror that this machine uses."""

import shutil
from pathlib import Path

from tests.lab import recipe
from tests.lab.tools import LabError, run
from tests.peers.micropython.debian import UnavailableError, trixie_source

_LIMIT_S = 1200

# Unpacks the kernel without installing it: its scripts would make an initramfs that nobody needs.
# mmdebstrap calls this with its root as $1 and apt set up for it.
_KERNEL_HOOK = rf"""
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
name=$(apt-get --simulate install {recipe.KERNEL} | sed -n 's/^Inst \(linux-image-[0-9][^ ]*\) .*/\1/p')
cd "$1/tmp"
apt-get -q download "$name"
dpkg-deb --fsys-tarfile "$name"_*.deb | tar -x -C "$1" --keep-directory-symlink
rm "$name"_*.deb
"""


def make_root(root: Path) -> None:
    """Unpack Debian, with a kernel, into `root`. Raises `LabError`."""
    source = root.with_suffix(".sources")
    source.write_text(_source())
    options = (
        "--quiet",
        "--variant=essential",
        "--format=directory",
        "--aptopt=APT::Install-Recommends false",
        "--aptopt=Acquire::Languages none",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")),
        f"--include={','.join(recipe.PACKAGES)}",
        f"--customize-hook={_KERNEL_HOOK}",
    )
    # Namespaces of its own, so that no mount and no process outlives a build that is killed.
    alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    run(*alone, "mmdebstrap", *options, recipe.SUITE, root, source, timeout_s=_LIMIT_S)


def _source() -> str:
    try:
        source = trixie_source(Path("/etc/apt"))
    except UnavailableError:
        raise LabError("the lab needs a Debian mirror among apt's sources") from None
    return source.replace("Types: deb deb-src", "Types: deb")


def strip_root(root: Path) -> None:
    """Remove from `root` what nobody in the guest reads."""
    for pattern in recipe.DROPPED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
