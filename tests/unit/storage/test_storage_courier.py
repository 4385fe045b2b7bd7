"""The courier over a folder as the sink: recognised, stored, numbered, never over anything."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from stack.storage.forward.courier import Courier
from stack.storage.forward.messages import Arrived, Failed, File, Finished, Job, Message, Moved, Note
from stack.storage.sinks.base import Wanted
from stack.storage.sinks.directory import DirectorySink, DirectoryUpload
from stack.storage.sinks.errors import FullError, SinkError, TakenError


class World:
    """A spool, a folder as the sink, and what the courier has said."""

    def __init__(self, folder: Path, sink: DirectorySink | None = None) -> None:
        self.spool, self.archive = folder / "spool", folder / "archive"
        for each in (self.spool, self.archive):
            each.mkdir()
        self.sink = sink or DirectorySink(self.archive, "0a1b2c3d")
        self.sink.initialise()
        self.said: list[Message] = []
        self.paced = 0
        self.courier = Courier(self.sink, self.read, self.said.append, self.pace)

    def read(self, name: str) -> int:
        return os.open(self.spool / name, os.O_RDONLY)

    def pace(self, size_bytes: int) -> None:
        self.paced += size_bytes

    def spooled(self, entry: int, name: str, content: bytes, *known: str) -> File:
        (self.spool / name).write_bytes(content)
        return File(entry, name, f"2026/{name}", len(content), sha256(content).hexdigest(), 10**18, list(known))

    def archived(self, path: str, content: bytes) -> None:
        (self.archive / path).parent.mkdir(parents=True, exist_ok=True)
        (self.archive / path).write_bytes(content)

    def bring(self, *files: File) -> list[Message]:
        self.said.clear()
        self.courier.bring(Job(list(files)))
        assert self.said[-1] == Finished()
        return [message for message in self.said[:-1] if not isinstance(message, Moved)]

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.archive.rglob("*") if path.is_file() and ".ferry" not in path.parts]
        return {str(path.relative_to(self.archive)): path.read_bytes() for path in paths}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_file_arrives_with_its_time(world: World) -> None:
    assert world.bring(world.spooled(7, "a.jpg", b"a")) == [Arrived(7, "2026/a.jpg", was_there=False, gone=[])]
    assert world.files() == {"2026/a.jpg": b"a"}
    assert (world.archive / "2026/a.jpg").stat().st_mtime_ns == 10**18
    assert world.paced == 1
    assert Moved(1) in world.said


def test_the_same_content_is_the_same_file(world: World) -> None:
    world.archived("2026/a.jpg", b"a")
    assert world.bring(world.spooled(7, "a.jpg", b"a")) == [Arrived(7, "2026/a.jpg", was_there=True, gone=[])]
    assert not any(isinstance(message, Moved) for message in world.said)


def test_other_content_of_the_same_size_stays_and_ours_gets_a_number(world: World) -> None:
    world.archived("2026/a.jpg", b"b")
    assert world.bring(world.spooled(7, "a.jpg", b"a")) == [Arrived(7, "2026/a (2).jpg", was_there=False, gone=[])]
    assert world.files() == {"2026/a.jpg": b"b", "2026/a (2).jpg": b"a"}


def test_what_belongs_together_gets_the_same_number(world: World) -> None:
    world.archived("2026/a.dng", b"somebody's")
    world.bring(world.spooled(1, "a.jpg", b"j"), world.spooled(2, "a.dng", b"d"))
    assert world.files() == {"2026/a.dng": b"somebody's", "2026/a (2).jpg": b"j", "2026/a (2).dng": b"d"}


def test_a_known_path_is_believed_only_while_the_sink_confirms_it(world: World) -> None:
    world.archived("old/x.jpg", b"a")
    file = world.spooled(7, "a.jpg", b"a", "gone/x.jpg", "old/x.jpg")
    assert world.bring(file) == [Arrived(7, "old/x.jpg", was_there=True, gone=["gone/x.jpg"])]
    (world.archive / "old/x.jpg").unlink()
    assert world.bring(file) == [Arrived(7, "2026/a.jpg", was_there=False, gone=["gone/x.jpg", "old/x.jpg"])]
    assert world.files() == {"2026/a.jpg": b"a"}


def test_a_known_path_with_other_content_of_the_same_size_is_no_copy(world: World) -> None:
    world.archived("old/x.jpg", b"z")
    file = world.spooled(7, "a.jpg", b"a", "old/x.jpg")
    assert world.bring(file) == [Arrived(7, "2026/a.jpg", was_there=False, gone=["old/x.jpg"])]
    assert world.files() == {"2026/a.jpg": b"a", "old/x.jpg": b"z"}


def test_a_name_that_is_taken_at_the_last_moment(tmp_path: Path) -> None:
    class Taken(DirectorySink):
        def begin(self, wanted: Wanted) -> DirectoryUpload:
            if wanted.path == "2026/a.jpg" and not (tmp_path / "archive/2026/a.jpg").exists():
                (tmp_path / "archive/2026").mkdir()
                (tmp_path / "archive/2026/a.jpg").write_bytes(b"somebody's")
                raise TakenError("2026/a.jpg is there already")
            return super().begin(wanted)

    world = World(tmp_path, Taken(tmp_path / "archive", "0a1b2c3d"))
    assert world.bring(world.spooled(7, "a.jpg", b"a")) == [Arrived(7, "2026/a (2).jpg", was_there=False, gone=[])]
    assert world.files()["2026/a.jpg"] == b"somebody's"


def damage(world: World) -> None:
    (world.spool / "a.jpg").write_bytes(b"x")


def remove(world: World) -> None:
    (world.spool / "a.jpg").unlink()


@pytest.mark.parametrize(
    ("harm", "sentence"), [(damage, "not what came from the phone"), (remove, "cannot be read: No such file")]
)
def test_a_file_that_is_spoilt_in_the_spool_does_not_stop_the_others(
    world: World, harm: Callable[[World], None], sentence: str
) -> None:
    files = world.spooled(7, "a.jpg", b"a"), world.spooled(8, "b.jpg", b"b")
    harm(world)
    failed, arrived = world.bring(*files)
    assert isinstance(failed, Failed)
    assert (failed.entry, failed.trouble) == (7, "THIS_FILE")
    assert sentence in failed.error
    assert isinstance(arrived, Arrived)
    assert world.files() == {"2026/b.jpg": b"b"}
    assert list((world.archive / ".ferry/incoming").iterdir()) == []


def test_trouble_of_the_sink_is_for_the_caller(tmp_path: Path) -> None:
    class Full(DirectorySink):
        def begin(self, wanted: Wanted) -> DirectoryUpload:
            raise FullError("it is full")

    world = World(tmp_path, Full(tmp_path / "archive", "0a1b2c3d"))
    with pytest.raises(FullError):
        world.courier.bring(Job([world.spooled(7, "a.jpg", b"a")]))
    assert world.said == []


def test_lines_are_added_to_a_manifest_once(world: World) -> None:
    for lines in (["1"], ["1", "2"]):
        world.courier.note(Note(".ferry/manifest/2026-11-24-x.jsonl", lines))
    assert (world.archive / ".ferry/manifest/2026-11-24-x.jsonl").read_text() == "1\n2\n"
    assert world.said == [Finished(), Finished()]


def test_a_sink_that_is_gone_is_noticed_before_anything_is_written(world: World) -> None:
    (world.archive / ".ferry/sink.json").unlink()
    with pytest.raises(SinkError):
        world.courier.bring(Job([world.spooled(7, "a.jpg", b"a")]))
    assert world.files() == {}
