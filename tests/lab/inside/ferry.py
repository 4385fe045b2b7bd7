"""`ferry join` as a test sees it: started, heard, ended, and gone without a trace."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.inside.world import Group, run

FERRY = [sys.executable, "-m", "stack.station.cli.main"]
_LIMIT_S = 60

Join = subprocess.Popen[str]


@contextmanager
def ferry_join(group: Group, *options: str) -> Iterator[Join]:
    """Run `ferry join`; at the end of the block it is gone, killed if need be."""
    command = [*FERRY, "join", "--ssid", group.ssid, "--psk", group.psk, "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(process: Join, event: str, **fields: object) -> dict[str, Any]:
    """Read events up to the first `event` that has `fields`."""
    assert process.stdout
    for line in process.stdout:
        said: dict[str, Any] = json.loads(line)
        if said["event"] == event and fields.items() <= said.items():
            return said
    raise AssertionError(f"{event} never came: {process.communicate()}")


def finish(process: Join) -> tuple[int, list[dict[str, Any]]]:
    """Wait for the end. Return the exit status and the events that were not read yet."""
    out, _ = process.communicate(timeout=_LIMIT_S)
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def failure(process: Join) -> tuple[int, str, str]:
    """Wait for the end. Return the exit status, the reason, and the sentence with its remedy."""
    status, events = finish(process)
    failed = next(each for each in reversed(events) if each["event"] == "failed")
    return status, failed["reason"], f"{failed['error']}. {failed['remedy']}"


def assert_no_trace() -> None:
    """Nothing of ours is left: no interface, no rule, no address, no route."""
    assert "ferry" not in run("iw", "dev")
    assert "ferry" not in run("nft", "list", "ruleset")
    assert "192.168.49" not in run("ip", "-4", "address") + run("ip", "-4", "route", "show", "table", "all")
