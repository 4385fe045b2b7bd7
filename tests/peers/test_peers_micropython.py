"""`board.aio` against the real MicroPython: its own tests and dialogues of ours, run by both, print the same.

MicroPython's tests come with the source package of the interpreter that they are compared with.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.micropython import debian

pytestmark = pytest.mark.timeout(300)  # the first run gets the packages

ROOT = Path(__file__).parents[2]
DIALOGUES = Path(__file__).parent / "micropython" / "dialogues"

EXTMOD = [
    "as_uasyncio", "await_return", "basic", "basic2", "cancel_fair", "cancel_fair2", "cancel_self",
    "cancel_task", "cancel_wait_on_finished", "current_task", "event", "event_fair", "exception", "fair",
    "gather", "gather_finished_early", "gather_notimpl", "get_event_loop", "heaplock", "lock", "lock_cancel",
    "loop_stop", "micropython", "new_event_loop", "set_exception_handler", "task_done", "threadsafeflag",
    "wait_for", "wait_for_fwd", "wait_task",
]  # fmt: skip
NET_HOSTED = ["loopback", "start_server"]
MULTI_NET = ["client_rst", "close_write", "readall", "readexactly", "readinto", "server_client"]

# The two print different things, and why that is right.
DIFFERENT = {
    "client_rst": "one read is one system call and returns what came before a reset; MicroPython reads on and loses it",
    "gather_notimpl": "MicroPython cannot wait for a task that is being gathered and says so; here that works",
    "heaplock": "locks MicroPython's heap to see that nothing is allocated; CPython's heap has no such lock",
    "timeout_is_oserror": "Python's own TimeoutError, which typed code catches, is an OSError; MicroPython has another",
}

# The two print the same lines in another order, and why that is right.
REORDERED = dict.fromkeys(
    ("wait_for", "wait_for_fwd"),
    "a cancelled wait_for lets what it waited for end first; MicroPython's leaves it running and returns at once",
)

# What a test of two instances finds around itself.
MULTITEST = """
import sys
IP = "127.0.0.1"
PORT = int(sys.argv[1])
class multitest:
    def globals(**names):
        pass
    def get_network_ip():
        return IP
    def next():
        print("NEXT")
instance{}()
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended. `lines` is what it printed."""

    lines: list[str]
    status: int


class Interpreter:
    """One of the two, as the beginning of a command line."""

    def __init__(self, *command: str) -> None:
        self.command = command

    def start(self, program: Path, *arguments: object) -> "subprocess.Popen[str]":
        command = [*self.command, str(program), *map(str, arguments)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def run(self, program: Path, *arguments: object) -> Ran:
        return finish(self.start(program, *arguments))


@contextmanager
def killing(process: "subprocess.Popen[str]") -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def finish(process: "subprocess.Popen[str]") -> Ran:
    with killing(process):
        output, _ = process.communicate(timeout=20)
    return Ran([as_cpython_prints(line) for line in output.splitlines()], process.returncode)


def both(ours: "subprocess.Popen[str]", theirs: "subprocess.Popen[str]") -> tuple[Ran, Ran]:
    with killing(theirs):
        return finish(ours), finish(theirs)


def as_cpython_prints(line: str) -> str:
    """MicroPython prints an error with one argument as `ValueError(2,)`, as Python did before 3.7."""
    return re.sub(r"(\w+Error\([^()]+),\)", r"\1)", line)


def settle(attempt: Callable[[], tuple[Ran, Ran]]) -> tuple[Ran, Ran]:
    """Their tests measure time, and a busy machine may be late: a difference counts when it comes twice."""
    first = attempt()
    return first if first[0] == first[1] else attempt()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def debians() -> debian.MicroPython:
    try:
        return debian.micropython(ROOT / "build" / "micropython")
    except debian.UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def theirs(debians: debian.MicroPython) -> Interpreter:
    return Interpreter(*debians.command)


@pytest.fixture(scope="module")
def ours() -> Interpreter:
    return Interpreter(sys.executable, "-m", "board.aio")


def assert_same(name: str, ran: Ran, expected: Ran) -> None:
    """The same, unless the tables say otherwise; then otherwise, or the entry is no longer needed."""
    assert "SKIP" not in expected.lines
    if name in DIFFERENT:
        assert ran != expected
    elif name in REORDERED:
        assert ran != expected
        assert (sorted(ran.lines), ran.status) == (sorted(expected.lines), expected.status)
    else:
        assert ran == expected


def test_no_test_of_theirs_is_left_out(debians: debian.MicroPython) -> None:
    found = {path.relative_to(debians.tests).with_suffix("").as_posix() for path in debians.tests.rglob("*.py")}
    listed = {f"extmod/asyncio_{name}" for name in EXTMOD}
    listed |= {f"net_hosted/asyncio_{name}" for name in NET_HOSTED}
    listed |= {f"multi_net/asyncio_tcp_{name}" for name in MULTI_NET}
    assert found == listed


@pytest.mark.parametrize("name", EXTMOD)
def test_their_tests(debians: debian.MicroPython, theirs: Interpreter, ours: Interpreter, name: str) -> None:
    program = debians.tests / "extmod" / f"asyncio_{name}.py"
    assert_same(name, *settle(lambda: both(ours.start(program), theirs.start(program))))


@pytest.mark.parametrize("name", NET_HOSTED)
def test_their_tests_of_servers(
    debians: debian.MicroPython, theirs: Interpreter, ours: Interpreter, tmp_path: Path, name: str
) -> None:
    program = tmp_path / "program.py"
    source = (debians.tests / "net_hosted" / f"asyncio_{name}.py").read_text()
    program.write_text(re.sub(r"\b80[08]0\b", str(free_port()), source))
    assert_same(name, ours.run(program), theirs.run(program))


@pytest.fixture
def instances(request: pytest.FixtureRequest, debians: debian.MicroPython, tmp_path: Path) -> tuple[Path, Path]:
    """The server and the client of the test that is the parameter."""
    source = (debians.tests / "multi_net" / f"asyncio_tcp_{request.param}.py").read_text()
    server, client = tmp_path / "server.py", tmp_path / "client.py"
    server.write_text(source + MULTITEST.format(0))
    client.write_text(source + MULTITEST.format(1))
    return server, client


def talk(server: Interpreter, client: Interpreter, instances: tuple[Path, Path]) -> tuple[Ran, Ran]:
    """Run both ends of a test, the client as soon as the server listens."""
    port = free_port()
    serving = server.start(instances[0], port)
    with killing(serving):
        assert serving.stdout is not None
        listening = any(line == "NEXT\n" for line in serving.stdout)
        assert listening
        called = client.run(instances[1], port)
        return finish(serving), called


@pytest.mark.parametrize(("instances", "name"), [(name, name) for name in MULTI_NET], indirect=["instances"])
def test_their_tests_of_two_ends(
    theirs: Interpreter, ours: Interpreter, instances: tuple[Path, Path], name: str
) -> None:
    """Also across: MicroPython's server with our client, our server with MicroPython's client."""
    expected = talk(theirs, theirs, instances)
    assert expected[0].status == expected[1].status == 0
    assert talk(theirs, ours, instances) == expected
    for client in (theirs, ours):
        assert (talk(ours, client, instances) == expected) is (name not in DIFFERENT)


@pytest.mark.parametrize("program", sorted(DIALOGUES.glob("*.py")), ids=lambda path: path.stem)
def test_dialogues(theirs: Interpreter, ours: Interpreter, program: Path) -> None:
    transcript = Ran(program.with_suffix(".txt").read_text().splitlines(), 0)
    ran, expected = settle(lambda: both(ours.start(program, free_port()), theirs.start(program, free_port())))
    assert expected == transcript
    assert_same(program.stem, ran, transcript)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "sources.list",
            "# deb http://old/debian x y\ndeb [arch=all signed-by=/k.gpg] http://mirror/debian x main\n",
        ),
        ("sources.list.d/a.sources", "Types: deb\nURIs: http://mirror/debian\nSuites: x\nSigned-By: /k.gpg\n"),
    ],
)
def test_the_mirror_is_the_machines_own(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    other = "deb http://mirror/debian-security x main\n\nTypes: deb\nURIs: http://elsewhere/tools\nSuites: y\n\n"
    (tmp_path / name).write_text(other + text)
    assert debian.trixie_source(tmp_path).splitlines() == [
        "Types: deb deb-src",
        "URIs: http://mirror/debian",
        "Suites: trixie",
        "Components: main",
        "Signed-By: /k.gpg",
    ]


def test_a_machine_without_a_mirror_says_so(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror/ubuntu noble main\n")
    with pytest.raises(debian.UnavailableError, match="needs a Debian mirror"):
        debian.trixie_source(tmp_path)
