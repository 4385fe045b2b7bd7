"""Raw inflate and CRC-32: zlib-ng where its wheel is installed, the standard library otherwise.

The hot path spends a third of its time here; zlib-ng needs two thirds of zlib's instructions (CONTRIBUTING.md).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import zlib
else:
    try:
        from zlib_ng import zlib_ng as zlib
    except ImportError:
        import zlib

crc32 = zlib.crc32
InflateError = zlib.error


def inflater() -> Any:
    """Return a decompressor of a raw deflate stream (RFC 1951), with the interface of `zlib.decompressobj`."""
    return zlib.decompressobj(-zlib.MAX_WBITS)
