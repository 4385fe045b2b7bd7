"""The command line: what it takes, what it says, how it ends."""

import json
import os
from pathlib import Path

import pytest

from stack.station.cli.arguments import address
from stack.station.cli.main import main, parser
from stack.station.console import Console, files, megabytes
from stack.station.exit_status import ExitStatus


@pytest.mark.parametrize(
    ("text", "expected"),
    [("192.168.49.1:80", ("192.168.49.1", 80)), ("[::1]:80", ("::1", 80)), (":0", ("127.0.0.1", 0))],
)
def test_address(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["host", "host:", "host:x", "host:70000", "host:-1", "host:²"])
def test_bad_address_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["receive", "--from", text, "--into", "x"])
    assert ended.value.code == ExitStatus.USAGE
    assert "is not HOST:PORT" in capsys.readouterr().err


def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("demo", "receive", "send"):
        with pytest.raises(SystemExit):
            parser().parse_args([verb, "--help"])
        assert len(capsys.readouterr().out.splitlines()) > 10


def test_errors_become_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", "--listen", "127.0.0.1:0", "/nonexistent/photo.jpg"]) == ExitStatus.ERROR
    assert capsys.readouterr().err == (
        "ferry: /nonexistent/photo.jpg cannot be shared: No such file or directory. "
        "Name files that exist and that this user may read, or folders with such files.\n"
    )


@pytest.mark.parametrize("verb", [["send", "--listen", "127.0.0.1:0"], ["demo"]])
def test_nothing_to_share(verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert main([*verb, str(tmp_path)]) == ExitStatus.ERROR
    assert capsys.readouterr().err.startswith("ferry: there is no file in what was named. Name files")


def test_address_of_somebody_else(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    assert main(["send", "--listen", "192.0.2.1:80", str(tmp_path)]) == ExitStatus.ERROR
    assert "192.0.2.1:80 cannot be listened at: Cannot assign requested address. Choose" in capsys.readouterr().err


def test_scripts_get_objects_and_people_get_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True).say("hidden", "offer", sender="张三")
    assert json.loads(capsys.readouterr().out) == {"event": "offer", "sender": "张三"}
    Console().say("shown", "offer")
    Console().say("", "kept")
    assert capsys.readouterr().out == "shown\n"


def test_progress_without_a_terminal_is_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    plain, script = Console().progress(10_000_000, "receiving"), Console(as_json=True).progress(10_000_000, "receiving")
    for second, done in ((1, 1_000_000), (2, 4_000_000), (3, 5_000_000), (4, 8_000_000)):
        now = 100.0 + second
        plain.reach(done)
        script.reach(done)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0::2] == ["receiving  4.0 MB of 10.0 MB, 2 MB/s", "receiving  8.0 MB of 10.0 MB, 2 MB/s"]
    assert [json.loads(line)["bytes"] for line in lines[1::2]] == [4_000_000, 8_000_000]


def test_numbers_for_people() -> None:
    assert (megabytes(0), megabytes(99_999), megabytes(1_234_567)) == ("0 bytes", "99999 bytes", "1.2 MB")
    assert (files(1), files(2)) == ("1 file", "2 files")


@pytest.mark.parametrize("text", ["inf", "nan", "1e30", "-5", "0", "soon"])
def test_bad_wait_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["send", "--listen", "127.0.0.1:0", f"--wait={text}", "x"])
    assert ended.value.code == ExitStatus.USAGE
    assert "is not a number of seconds" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["a..b", "h" * 300])
def test_host_that_is_none(host: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["receive", "--from", f"{host}:12", "--into", str(tmp_path)]) == ExitStatus.ERROR
    assert "cannot be reached" in capsys.readouterr().err


def test_demo_in_a_place_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--into", "/dev/null/x/received"]) == ExitStatus.ERROR
    assert "album cannot be made" in capsys.readouterr().err
