"""Whether the CPU has AES instructions, from real excerpts of /proc/cpuinfo."""

from pathlib import Path

import pytest

from board.cpu import has_aes

PI_5 = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics\nCPU part\t: 0xd0b\n"
PI_4 = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n"
PC = "processor\t: 0\nflags\t\t: fpu vme sse2 aes avx\n\nprocessor\t: 1\nflags\t\t: fpu vme sse2 aes avx\n"


@pytest.mark.parametrize(
    ("text", "expected"), [(PI_5, True), (PI_4, False), (PC, True), (PI_5 + PI_4, False), ("", True)]
)
def test_aes_is_read_from_the_list(tmp_path: Path, text: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert has_aes(cpuinfo) is expected


def test_nothing_is_assumed_without_a_list(tmp_path: Path) -> None:
    assert has_aes(tmp_path / "absent") is True
