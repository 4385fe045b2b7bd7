"""The C library's heap, told to keep what it has.

glibc hands freed buffers of 128 KiB and more back to the kernel and asks for them again: up to 260,000 page faults
for each GiB that is received in pieces of 256 KiB, a tenth of the cost, and it depends on luck who pays it.
"""

import ctypes

# mallopt(3)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 8 << 20


def keep_freed_buffers() -> None:
    """Keep freed buffers for the next piece, up to 8 MiB. Once at the start of a process; nothing on musl."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
