"""Every kind of sink keeps the same contract, against servers of others."""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from stack.storage.forward.policy import Trouble
from stack.storage.sinks.base import MARKER, Presence, Sink, Upload, Wanted
from stack.storage.sinks.check import check
from stack.storage.sinks.errors import (
    AwayError,
    BadNameError,
    DamagedError,
    DeniedError,
    ForbiddenError,
    FullError,
    HangingError,
    IdentityError,
    LockedError,
    NoMarkerError,
    ReadOnlyError,
    TakenError,
    WrongPlaceError,
)
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.secret import Secret
from stack.storage.sinks.smb import SmbSink
from stack.storage.sinks.url import SinkUrl, parse
from tests.peers.servers import samba as smb
from tests.peers.servers import web
from tests.peers.servers.disks import disk
from tests.peers.servers.proxy import Proxy
from tests.peers.servers.sshd import Sshd, make_key, public_key, sshd

MTIME_NS = 1_700_000_000_000_000_000
CONTENT = bytes(range(256)) * 5000
KINDS = ["file", "sftp", "sftp password", "smb", "smb encrypted", "webdav", "webdavs", "s3"]


class Place:
    """Where a kind of sink leads to: its URL at a port, its secret, and the folder behind it."""

    def __init__(self, port: int, url: Callable[[int], str], secret: str | None, folder: Path | None) -> None:
        self.port = port
        self.text = url(port)
        self._url = url
        self._secret = secret
        self.folder = folder

    def open(
        self, port: int | None = None, *, secret: str | None = None, add: str = "", time_limit_s: int | None = None
    ) -> Sink:
        """Open a sink, perhaps at another port, with another secret, deeper down, or with less patience."""
        return open_sink(self.url(port, secret, add, time_limit_s), "test")

    def url(
        self, port: int | None = None, secret: str | None = None, add: str = "", time_limit_s: int | None = None
    ) -> SinkUrl:
        chosen = secret or self._secret
        url = self._url(port or self.port)
        address, mark, options = url.partition("?")
        parsed = parse(f"{address.rstrip('/')}{add}{mark}{options}", Secret(chosen) if chosen else None)
        return replace(parsed, time_limit_s=time_limit_s or parsed.time_limit_s)


def sftp_url(server: Sshd, key: Path | None = None, host_key: str | None = None) -> Callable[[int], str]:
    options = f"key={quote(str(key or server.key))}&host_key={quote(host_key or server.host_key)}"
    return lambda port: f"sftp://{server.user}@127.0.0.1:{port}{server.folder}?{options}"


@contextmanager
def file_place(base: Path) -> Iterator[Place]:
    (base / "disk").mkdir()
    yield Place(0, lambda _: str(base / "disk"), None, base / "disk")


@contextmanager
def sftp_place(base: Path) -> Iterator[Place]:
    with sshd(base) as server:
        yield Place(server.port, sftp_url(server), None, server.folder)


@contextmanager
def sftp_password_place(base: Path) -> Iterator[Place]:
    host_key = make_key(base / "host")
    with web.rclone_sftp(base, host_key) as server:
        url = f"sftp://{web.USER}@127.0.0.1:{{}}/?host_key={quote(public_key(host_key))}"
        yield Place(server.port, url.format, web.PASSWORD, server.folder)


@contextmanager
def smb_place(base: Path, encrypt: bool) -> Iterator[Place]:
    with smb.samba(base, encrypt=encrypt) as server:
        url = f"smb://{smb.USER}@127.0.0.1:{{}}/{smb.SHARE}"
        yield Place(server.port, url.format, smb.PASSWORD, server.folder)


@contextmanager
def webdav_place(base: Path, tls: bool) -> Iterator[Place]:
    made = web.certificate(base) if tls else None
    with web.webdav(base, made) as server:
        url = f"webdav://{web.USER}@127.0.0.1:{{}}/"
        if made is not None:
            url = f"webdavs://{web.USER}@127.0.0.1:{{}}/?ca={made.certificate}"
        yield Place(server.port, url.format, web.PASSWORD, server.folder)


@contextmanager
def s3_place(base: Path) -> Iterator[Place]:
    with web.moto_s3(base) as server:
        make = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        make.request("PUT", f"/{web.BUCKET}")
        assert make.getresponse().status == 200
        make.close()
        url = f"s3+http://{web.USER}@127.0.0.1:{{}}/{web.BUCKET}/archive"
        yield Place(server.port, url.format, web.PASSWORD, None)


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "file": file_place,
    "sftp": sftp_place,
    "sftp password": sftp_password_place,
    "smb": lambda base: smb_place(base, encrypt=False),
    "smb encrypted": lambda base: smb_place(base, encrypt=True),
    "webdav": lambda base: webdav_place(base, tls=False),
    "webdavs": lambda base: webdav_place(base, tls=True),
    "s3": s3_place,
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """The servers, each started when it is first asked for."""
    running: dict[str, Place] = {}
    with ExitStack() as stack:

        def place(kind: str) -> Place:
            if kind not in running:
                base = tmp_path_factory.mktemp(kind.replace(" ", "-"))
                running[kind] = stack.enter_context(PLACES[kind](base))
                sink = running[kind].open()
                sink.initialise()
                sink.close()
            return running[kind]

        yield place


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, places: Callable[[str], Place]) -> Place:
    return places(request.param)


@pytest.fixture
def sink(place: Place) -> Iterator[Sink]:
    opened = place.open()
    yield opened
    opened.close()


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    """A folder of the test's own."""
    return hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]


def wanted(path: str, content: bytes = CONTENT) -> Wanted:
    return Wanted(path, len(content), hashlib.sha256(content).digest(), MTIME_NS)


def put(sink: Sink, path: str, content: bytes = CONTENT) -> None:
    upload = sink.begin(wanted(path, content))
    try:
        store(upload, content)
    except BaseException:
        upload.abort()
        raise


def store(upload: Upload, content: bytes) -> None:
    for at in range(0, len(content), 100_000):
        upload.write(memoryview(content)[at : at + 100_000])
    upload.commit()


def probe(sink: Sink) -> None:
    with closing(sink):
        sink.probe()


def memory_growth_kib(place: Place, path: str, size_bytes: int) -> int:
    """By how much a process of its own grows from a small file to a big one."""
    url = place.url()
    program = Path(__file__).parent / "servers/big_file.py"
    secret = url.secret.reveal() if url.secret else ""
    given = json.dumps({"url": place.text, "secret": secret, "path": path, "size_bytes": size_bytes})
    done = subprocess.run(
        [sys.executable, str(program)], input=given, stdout=subprocess.PIPE, text=True, check=True, timeout=50
    )
    return int(done.stdout)


def incoming(place: Place) -> list[str]:
    assert place.folder is not None
    return [path.name for path in (place.folder / ".ferry/incoming").iterdir() if not path.name.startswith("own-")]


def test_a_sink_is_known_by_its_marker(place: Place, sink: Sink) -> None:
    first, again = sink.initialise(), sink.initialise()
    assert first.marker_id == again.marker_id == sink.probe().marker_id
    assert first.is_case_sensitive in (True, False)
    if place.folder is not None:
        assert (place.folder / MARKER).is_file()


def test_what_is_stored_is_there(sink: Sink, folder: str) -> None:
    path = f"{folder}/2026/11/IMG 0001.jpg"
    assert sink.exists([(path, len(CONTENT))]) == [Presence.ABSENT]
    put(sink, path)
    put(sink, f"{folder}/empty", b"")
    asked = [(path, len(CONTENT)), (path, 1), (f"{folder}/empty", 0), (f"{folder}/nothing", 1), (f"{folder}/2026", 1)]
    found = sink.exists(asked)
    assert found[:4] == [Presence.SAME_SIZE, Presence.OTHER, Presence.SAME_SIZE, Presence.ABSENT]
    assert found[4] is not Presence.SAME_SIZE
    assert sink.verify(wanted(path))


def test_other_content_is_told_from_the_same(sink: Sink, folder: str) -> None:
    put(sink, f"{folder}/a")
    assert not sink.verify(wanted(f"{folder}/a", CONTENT[:-1] + b"x"))
    assert not sink.verify(wanted(f"{folder}/a", CONTENT[:-1]))
    assert not sink.verify(wanted(f"{folder}/b"))


def test_nothing_is_overwritten(place: Place, sink: Sink, folder: str) -> None:
    put(sink, f"{folder}/a")
    with pytest.raises(TakenError):
        sink.begin(wanted(f"{folder}/a", b"other"))
    assert sink.verify(wanted(f"{folder}/a"))


def test_nothing_is_overwritten_that_came_meanwhile(place: Place, sink: Sink, folder: str) -> None:
    upload = sink.begin(wanted(f"{folder}/a", b"late"))
    upload.write(b"late")  # all of it: what is not committed is not there
    other = place.open()
    put(other, f"{folder}/a", b"first")
    other.close()
    with pytest.raises(TakenError):
        upload.commit()
    upload.abort()
    assert sink.verify(wanted(f"{folder}/a", b"first"))


def test_content_that_was_damaged_gets_no_name(place: Place, sink: Sink, folder: str) -> None:
    upload = sink.begin(wanted(f"{folder}/a"))
    upload.write(CONTENT[:-1] + b"x")
    with pytest.raises(DamagedError):
        upload.commit()
    upload.abort()
    assert sink.exists([(f"{folder}/a", len(CONTENT))]) == [Presence.ABSENT]
    put(sink, f"{folder}/a")


def test_what_is_given_up_leaves_nothing(place: Place, sink: Sink, folder: str) -> None:
    upload = sink.begin(wanted(f"{folder}/a"))
    upload.write(CONTENT[:100_000])
    upload.abort()
    upload = sink.begin(wanted(f"{folder}/a"))
    upload.write(CONTENT)
    upload.abort()
    assert sink.exists([(f"{folder}/a", len(CONTENT))]) == [Presence.ABSENT]
    if place.folder is not None:
        assert incoming(place) == []
    put(sink, f"{folder}/a")


def test_a_new_try_takes_the_place_of_one_that_died(place: Place, sink: Sink, folder: str) -> None:
    died = place.open()
    upload = died.begin(wanted(f"{folder}/a"))
    upload.write(CONTENT[:100_000])
    died.close()
    put(sink, f"{folder}/a")
    assert sink.verify(wanted(f"{folder}/a"))
    if place.folder is not None:
        assert incoming(place) == []


@pytest.mark.parametrize(
    "name",
    ["照片 📷.jpg", "a%20b&c;d=e+f.jpg", "#1 'quoted' ~!@$^().jpg", "-n.jpg", "ü" * 100 + ".jpg"],
    ids=["unicode", "url", "marks", "dash", "long"],
)
def test_names_are_kept(place: Place, sink: Sink, folder: str, name: str) -> None:
    put(sink, f"{folder}/{name}", b"x")
    assert sink.verify(wanted(f"{folder}/{name}", b"x"))
    if place.folder is not None:
        behind = next(path for path in place.folder.rglob(folder))
        assert [path.name for path in behind.iterdir()] == [name]


def test_composed_and_decomposed_names_never_overwrite_each_other(sink: Sink, folder: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, f"{folder}/Übermaß.jpg") for form in ("NFC", "NFD"))
    put(sink, composed, b"composed")
    if sink.exists([(decomposed, 1)]) == [Presence.ABSENT]:
        put(sink, decomposed, b"decomposed")
        assert sink.verify(wanted(decomposed, b"decomposed"))
    else:  # a server for which they are one
        with pytest.raises(TakenError):
            sink.begin(wanted(decomposed, b"decomposed"))
    assert sink.verify(wanted(composed, b"composed"))


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/a", "a//b", "", "a\0b", "x" * 256])
def test_paths_that_lead_out_are_refused(sink: Sink, path: str) -> None:
    with pytest.raises(BadNameError):
        sink.begin(wanted(path))
    with pytest.raises(BadNameError):
        sink.verify(wanted(path))


def test_the_time_is_kept(place: Place, sink: Sink, folder: str) -> None:
    put(sink, f"{folder}/a", b"x")
    if place.folder is not None:
        assert (place.folder / folder / "a").stat().st_mtime_ns // 10**9 == MTIME_NS // 10**9


def test_files_of_ours_are_read_and_replaced(sink: Sink) -> None:
    path = ".ferry/manifest/2026-11-24-4f1c9a02.jsonl"
    assert sink.load(".ferry/manifest/none.jsonl") is None
    for content in (b"one\n", b"", CONTENT):
        sink.replace(path, content)
        assert sink.load(path) == content
    with pytest.raises(BadNameError):
        sink.replace("photo.jpg", b"")


def test_a_place_without_a_marker_is_not_there(place: Place) -> None:
    if place.folder is not None:
        (place.folder / "new").mkdir(exist_ok=True)
    sink = place.open(add="/new")
    for call in (
        sink.probe,
        lambda: sink.exists([]),
        lambda: sink.begin(wanted("a")),
        lambda: sink.replace(MARKER, b""),
    ):
        with pytest.raises(NoMarkerError) as raised:
            call()
        assert raised.value.trouble is Trouble.PASSING
    sink.close()


def test_a_folder_that_is_not_there_cannot_be_initialised(place: Place) -> None:
    if place.folder is None:
        pytest.skip("a bucket has no folders")
    sink = place.open(add="/nowhere")
    with pytest.raises(WrongPlaceError):
        sink.initialise()
    sink.close()


def test_a_check_tries_everything_and_leaves_nothing(place: Place, sink: Sink) -> None:
    pieces: list[int] = []
    checked = check(sink, pieces.append, 3 << 20)
    assert sum(pieces) == 3 << 20
    assert checked.info.marker_id == sink.probe().marker_id
    assert min(checked.latency_ms, checked.store_bytes_per_s, checked.read_bytes_per_s) > 0
    if place.folder is not None:
        assert not list((place.folder / ".ferry").glob("probe-*"))


def test_free_space_is_told(place: Place, sink: Sink) -> None:
    free_bytes = sink.probe().free_bytes
    assert (free_bytes or 1) > 0


NETWORK = [kind for kind in KINDS if kind != "file"]
TIMED = ["sftp", "smb", "webdav", "s3"]
ON_DISKS = ["sftp", "smb"]


@contextmanager
def refused_port() -> Iterator[int]:
    """A port at which nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


@pytest.mark.parametrize("kind", NETWORK)
def test_a_server_that_is_down_is_away(places: Callable[[str], Place], kind: str) -> None:
    with refused_port() as port, pytest.raises(AwayError) as raised:
        probe(places(kind).open(port))
    assert raised.value.trouble is Trouble.PASSING


@pytest.mark.parametrize("kind", ["sftp password", "smb", "smb encrypted", "webdav", "webdavs"])
def test_a_wrong_password_is_denied_at_the_first_try(places: Callable[[str], Place], kind: str) -> None:
    with pytest.raises(DeniedError) as raised:
        probe(places(kind).open(secret="wrong"))
    assert raised.value.trouble is Trouble.BARRED
    assert "wrong" not in str(raised.value)


def test_a_wrong_ssh_key_is_denied(tmp_path: Path) -> None:
    with sshd(tmp_path) as server, pytest.raises(DeniedError):
        open_sink(parse(sftp_url(server, key=server.stranger)(server.port)), "test")


def test_a_wrong_host_key_is_an_identity_that_does_not_fit(tmp_path: Path) -> None:
    with sshd(tmp_path) as server:
        other = server.stranger.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
        with pytest.raises(IdentityError):
            open_sink(parse(sftp_url(server, host_key=other)(server.port)), "test")


def test_a_certificate_of_others_is_an_identity_that_does_not_fit(
    places: Callable[[str], Place], tmp_path: Path
) -> None:
    other = web.certificate(tmp_path)
    url = f"webdavs://{web.USER}@127.0.0.1:{places('webdavs').port}/?ca={other.certificate}"
    with pytest.raises(IdentityError):
        probe(open_sink(parse(url, Secret(web.PASSWORD)), "test"))


def test_a_share_of_another_name_is_the_wrong_place(places: Callable[[str], Place]) -> None:
    url = f"smb://{smb.USER}@127.0.0.1:{places('smb').port}/renamed"
    with pytest.raises(WrongPlaceError):
        probe(open_sink(parse(url, Secret(smb.PASSWORD)), "test"))


def test_a_bucket_of_another_name_is_the_wrong_place(places: Callable[[str], Place]) -> None:
    url = f"s3+http://{web.USER}@127.0.0.1:{places('s3').port}/renamed"
    with pytest.raises(WrongPlaceError):
        probe(open_sink(parse(url, Secret(web.PASSWORD)), "test"))


@pytest.mark.parametrize("kind", NETWORK)
def test_a_connection_that_is_cut_leaves_nothing(places: Callable[[str], Place], folder: str, kind: str) -> None:
    place = places(kind)
    with Proxy(place.port, limit_bytes=600_000, stall=False) as proxy:
        sink = place.open(proxy.port)
        with pytest.raises(AwayError):
            put(sink, f"{folder}/a")
        sink.close()
    again = place.open()
    assert again.exists([(f"{folder}/a", len(CONTENT))]) == [Presence.ABSENT]
    put(again, f"{folder}/a")
    again.close()


@pytest.mark.parametrize("kind", TIMED)
def test_a_server_that_hangs_is_noticed(places: Callable[[str], Place], folder: str, kind: str) -> None:
    place = places(kind)
    with Proxy(place.port, limit_bytes=600_000, stall=True) as proxy:
        sink = place.open(proxy.port, time_limit_s=1)
        with pytest.raises(HangingError) as raised:
            put(sink, f"{folder}/a", CONTENT * 16)
        sink.close()
    assert raised.value.trouble is Trouble.PASSING


@pytest.mark.parametrize("kind", TIMED)
def test_a_server_that_never_says_a_word_is_noticed(places: Callable[[str], Place], kind: str) -> None:
    with Proxy(places(kind).port, limit_bytes=0, stall=True) as proxy, pytest.raises(HangingError):
        probe(places(kind).open(proxy.port, time_limit_s=1))


def test_a_share_that_is_read_only_says_so(tmp_path: Path) -> None:
    with smb.samba(tmp_path, share_options="read only = yes") as server:
        sink = open_sink(parse(f"smb://{smb.USER}@127.0.0.1:{server.port}/{smb.SHARE}", Secret(smb.PASSWORD)), "test")
        with pytest.raises((ForbiddenError, ReadOnlyError)):
            sink.initialise()
        sink.close()


def test_a_name_that_differs_in_case_is_taken_where_case_does_not_count(
    places: Callable[[str], Place], folder: str
) -> None:
    sink = places("smb").open()
    assert sink.probe().is_case_sensitive is False
    put(sink, f"{folder}/IMG.JPG", b"upper")
    with pytest.raises(TakenError):
        sink.begin(wanted(f"{folder}/img.jpg", b"lower"))
    assert sink.verify(wanted(f"{folder}/IMG.JPG", b"upper"))
    sink.close()


def test_a_store_that_knows_no_conditions_is_refused(tmp_path: Path) -> None:
    with web.rclone_s3(tmp_path) as server:
        url = f"s3+http://{web.USER}@127.0.0.1:{server.port}/{web.BUCKET}"
        sink = open_sink(parse(url, Secret(web.PASSWORD)), "test")
        with pytest.raises(WrongPlaceError, match="If-None-Match"):
            sink.initialise()
        sink.close()


def test_another_makers_store_accepts_our_signature_and_no_wrong_one(tmp_path: Path) -> None:
    with web.rclone_s3(tmp_path) as server:
        url = parse(f"s3+http://{web.USER}@127.0.0.1:{server.port}/{web.BUCKET}/a b", Secret(web.PASSWORD))
        with pytest.raises(NoMarkerError):
            probe(open_sink(url, "test"))
        with pytest.raises(DeniedError):
            probe(open_sink(replace(url, secret=Secret("wrong")), "test"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_big_file_needs_no_more_memory_than_a_small_one(
    places: Callable[[str], Place], folder: str, kind: str
) -> None:
    place = places(kind)
    grown_kib = memory_growth_kib(place, f"{folder}/big", 96 << 20)
    assert grown_kib < 24 << 10


@pytest.mark.parametrize("kind", ON_DISKS)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount disks")
def test_a_server_that_is_full_says_so(places: Callable[[str], Place], tmp_path: Path, kind: str) -> None:
    place = places(kind)
    assert place.folder is not None
    content = os.urandom(4 << 20)
    with disk(tmp_path, "ext4", place.folder / "small"), closing(place.open(add="/small")) as sink:
        sink.initialise()
        upload = sink.begin(wanted("a", content))
        fill_disk(place.folder / "small/rest")
        with pytest.raises(FullError) as raised:
            store(upload, content)
        upload.abort()
    assert raised.value.trouble is Trouble.STANDING


def fill_disk(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_file_that_somebody_holds_is_locked(places: Callable[[str], Place], folder: str) -> None:
    place = places("smb")
    with closing(place.open()) as sink, closing(place.open()) as other:
        put(sink, f"{folder}/a")
        assert isinstance(other, SmbSink)
        with other.open(f"{folder}/a", "rb+"), pytest.raises(LockedError) as raised:
            sink.verify(wanted(f"{folder}/a"))
    assert raised.value.trouble is Trouble.THIS_FILE


def test_a_password_is_not_seen_in_the_list_of_processes(places: Callable[[str], Place]) -> None:
    place = places("sftp password")
    with closing(place.open()):
        commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert any(b"\0sftp\0" in command for command in commands)
    own = [command for command in commands if b"rclone" not in command]
    assert not any(web.PASSWORD.encode() in command for command in own)
