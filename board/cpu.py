"""What the processor can do that decides a design."""

from functools import cache
from pathlib import Path


@cache
def has_aes(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the CPU has AES instructions: x86 lists them under `flags`, ARM under `Features`.

    True where the list cannot be read: then nothing is known against the usual choice.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    features = [line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))]
    return not features or all("aes" in words for words in features)
