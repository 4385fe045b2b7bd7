"""Settings of an interface, in a folder that looks like /proc."""

from pathlib import Path

import pytest

from drivers.netlink.sysctl import ISOLATION, SettingError, isolate


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A kernel whose interface p2p0 does everything by itself."""
    for place in ISOLATION:
        path = tmp_path / "sys/net" / place.format("p2p0")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("7\n")
    return tmp_path


def value(proc: Path, place: str) -> int:
    return int((proc / "sys/net" / place).read_text())


def test_the_kernel_does_nothing_by_itself(proc: Path) -> None:
    isolate("p2p0", proc)
    assert value(proc, "ipv6/conf/p2p0/disable_ipv6") == 1
    assert value(proc, "ipv6/conf/p2p0/accept_ra") == 0
    assert value(proc, "ipv4/conf/p2p0/forwarding") == 0
    assert value(proc, "ipv4/conf/p2p0/arp_ignore") == 1
    assert value(proc, "ipv4/conf/p2p0/rp_filter") == 2


def test_what_is_so_already_is_not_written(proc: Path) -> None:
    isolate("p2p0", proc)
    for path in (proc / "sys/net").rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    before = {path: path.stat().st_mtime_ns for path in (proc / "sys/net").rglob("*") if path.is_file()}
    isolate("p2p0", proc)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_kernel_without_ipv6_needs_no_setting_there(proc: Path) -> None:
    for path in (proc / "sys/net/ipv6/conf/p2p0").iterdir():
        path.unlink()
    for folder in ("ipv6/conf/p2p0", "ipv6/conf", "ipv6"):
        (proc / "sys/net" / folder).rmdir()
    isolate("p2p0", proc)
    assert value(proc, "ipv4/conf/p2p0/arp_ignore") == 1


def test_an_interface_that_is_not_there(proc: Path) -> None:
    with pytest.raises(SettingError, match="no setting ipv6/conf/p2p1/disable_ipv6"):
        isolate("p2p1", proc)


def test_what_cannot_be_set(proc: Path) -> None:
    path = proc / "sys/net/ipv4/conf/p2p0/arp_ignore"
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingError, match="cannot be set to 1") as failed:
        isolate("p2p0", proc)
    assert "root" in failed.value.explain()
