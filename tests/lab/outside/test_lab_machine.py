"""The lab's own machine, seen from the host: commands, clock, loss of power, death."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from stack.station.demo.controllers import VirtualAir
from tests.lab.guest import CommandFailedError, Guest, GuestDiedError
from tests.lab.wheels import guest_lock

FERRY = [sys.executable, "-c", "from stack.station.cli.main import main; raise SystemExit(main())"]

pytestmark = pytest.mark.timeout(900)  # the first run builds the guest


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with Guest(tmp_path_factory.mktemp("guest")) as guest:
        yield guest


def test_a_command_returns_its_status_and_both_its_outputs(guest: Guest) -> None:
    output, complaints = io.BytesIO(), io.BytesIO()
    assert guest.run("echo here; echo there >&2; exit 7", output=output, complaints=complaints) == 7
    assert (output.getvalue(), complaints.getvalue()) == (b"here\n", b"there\n")


def test_a_command_that_takes_too_long_is_killed(guest: Guest) -> None:
    assert guest.run("sleep 1000", timeout_s=0.5) == 124


def test_a_command_that_leaves_a_daemon_behind_ends_without_it(guest: Guest) -> None:
    guest.read("sleep 1000 & echo $! >/tmp/daemon", timeout_s=20)
    guest.read("kill $(cat /tmp/daemon)")


def test_a_command_ends_with_the_one_who_asked_for_it(guest: Guest) -> None:
    class Leaves:
        def write(self, data: bytes) -> None:
            raise KeyboardInterrupt

        def flush(self) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        guest.run("echo $$; exec sleep 4242", output=Leaves())
    guest.read("while pgrep -f 'sleep 424[2]'; do sleep 0.1; done", timeout_s=20)


def test_much_output_comes_whole(guest: Guest) -> None:
    assert len(guest.read("head -c 3000000 /dev/zero | tr '\\0' x")) == 3_000_000


def test_what_fails_says_why(guest: Guest) -> None:
    with pytest.raises(CommandFailedError, match=r"ended with 2: .*nothing"):
        guest.read("ls /nothing")


def test_the_clock_is_right(guest: Guest) -> None:
    assert abs(float(guest.read("date +%s.%N")) - time.time()) < 2


def test_the_command_line_reaches_the_same_guest(guest: Guest) -> None:
    again = Guest(guest.folder)
    assert again.read("cat /proc/sys/kernel/random/boot_id") == guest.read("cat /proc/sys/kernel/random/boot_id")


def test_the_guest_has_a_bluetooth_adapter_that_meets_one_of_the_host(guest: Guest) -> None:
    with VirtualAir(tcp=2) as air:
        port = air.hci[0].rpartition(":")[2]
        with subprocess.Popen([*FERRY, "advertise", "--name", "Host", "--hci", air.hci[1]], stdout=PIPE) as station:
            assert station.stdout
            assert b"visible as 'Host'" in station.stdout.readline()
            ferry = f"python3 -c '{FERRY[2]}' scan --hci user:0 --seconds 5"
            assert "Host" in guest.read(f"modprobe hci_vhci; python3 -m tests.lab.inside.vhci {port} & {ferry}")
            station.terminate()


def test_what_was_synced_survives_the_loss_of_power(guest: Guest) -> None:
    guest.read("echo safe >/spool/synced && sync -f /spool && echo gone >/root/file")
    guest.kill()
    assert guest.running is None
    guest.start()
    assert guest.read("cat /spool/synced") == "safe\n"
    assert guest.read("ls /root") == ""


def test_a_guest_that_dies_is_noticed_with_its_last_words(tmp_path: Path) -> None:
    with Guest(tmp_path) as guest, pytest.raises(GuestDiedError, match="Kernel panic"):
        guest.run("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 60")


def test_a_killed_run_leaves_no_guest_behind() -> None:
    command = [sys.executable, "-m", "tests.lab", "run", "echo begun; sleep 1000"]
    with subprocess.Popen(command, stdout=PIPE, text=True) as lab:
        assert lab.stdout
        assert lab.stdout.readline() == "begun\n"
        children = Path(f"/proc/{lab.pid}/task/{lab.pid}/children").read_text().split()
        lab.send_signal(signal.SIGTERM)
    assert lab.returncode == 128 + signal.SIGTERM
    assert children
    assert not [child for child in children if os.path.exists(f"/proc/{child}")]


def test_a_lock_is_read_for_the_guests_python() -> None:
    lock = (
        "# made by\n"
        "h11==0.16.0 ; sys_platform == 'linux' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via ferry\n"
        "old==1 ; python_full_version < '3.12' and sys_platform == 'linux' \\\n    --hash=sha256:cc\n"
        "ruff==0.17.6 ; sys_platform == 'linux' \\\n    --hash=sha256:dd\n"
    )
    assert guest_lock(lock) == "h11==0.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via ferry\n"
