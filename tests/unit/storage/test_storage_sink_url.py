"""URLs of sinks and their secrets: what is taken, what is refused, and that nothing secret is shown."""

import argparse
import os
from pathlib import Path

import pytest

from stack.station.cli.arguments import sink_url
from stack.storage.forward.lane import SinkSettings
from stack.storage.forward.messages import Open
from stack.storage.sinks.errors import BadUrlError, SecretError, SinkError
from stack.storage.sinks.secret import Secret, from_credential, from_file
from stack.storage.sinks.url import parse

HIDDEN = "tr0ub4dor"


@pytest.mark.parametrize(
    ("text", "user", "host", "port", "path", "shown"),
    [
        ("/media/usb/photos/", "", "", 0, "/media/usb/photos", "/media/usb/photos"),
        ("file:///media/a%20b", "", "", 0, "/media/a b", "/media/a b"),
        ("smb://me@nas/photos/phone", "me", "nas", 445, "photos/phone", "smb://me@nas/photos/phone"),
        ("sftp://me@nas:2222/srv/a%20b", "me", "nas", 2222, "/srv/a b", "sftp://me@nas:2222/srv/a%20b"),
        ("sftp://me@[fd00::1]/srv", "me", "fd00::1", 22, "/srv", "sftp://me@[fd00::1]/srv"),
        ("webdavs://nas/dav/", "", "nas", 443, "dav", "webdavs://nas/dav"),
        ("webdav://me%40home@nas", "me@home", "nas", 80, "", "webdav://me%40home@nas/"),
        (
            "s3://KEY@s3.example.org/bucket/pre",
            "KEY",
            "s3.example.org",
            443,
            "bucket/pre",
            "s3://KEY@s3.example.org/bucket/pre",
        ),
        ("s3+http://KEY@nas:9000/bucket", "KEY", "nas", 9000, "bucket", "s3+http://KEY@nas:9000/bucket"),
    ],
)
def test_a_url_is_taken_apart(text: str, user: str, host: str, port: int, path: str, shown: str) -> None:
    url = parse(text)
    assert (url.user, url.host, url.port, url.path, str(url)) == (user, host, port, path, shown)


@pytest.mark.parametrize(
    "text",
    [
        "photos",
        "",
        "ftp://me@nas/x",
        "smb://me@nas",
        "smb://nas/photos",
        "smb:///photos",
        "sftp://me@-oProxyCommand=x/srv",
        "sftp://-l@nas/srv",
        "sftp://me@nas:99999/srv",
        "sftp://me@nas/srv/../etc",
        "sftp://me@nas/srv?secret=x",
        "webdav://nas/a//b",
        "webdav://nas?ca=/x",
        "webdav://nas?time_limit_s=0",
        "webdav://nas?time_limit_s=x",
        "smb://me@[nas/x",
        "s3://KEY@nas",
    ],
)
def test_what_is_no_sink_is_refused(text: str) -> None:
    with pytest.raises(BadUrlError) as raised:
        parse(text)
    assert raised.value.remedy


def test_a_password_in_a_url_is_never_shown() -> None:
    url = parse(f"smb://me:{HIDDEN}@nas/photos")
    assert url.require_secret().reveal() == HIDDEN
    assert HIDDEN not in f"{url} {url!r} {url.secret} {url.secret!r}"


def test_what_carries_a_url_does_not_show_it() -> None:
    url = f"smb://me:{HIDDEN}@nas/photos"
    assert HIDDEN not in f"{SinkSettings('nas', url)!r} {Open(url, HIDDEN, '/spool', 'test', 0.0)!r}"


def test_a_password_on_a_command_line_is_refused() -> None:
    for text in (f"smb://me:{HIDDEN}@nas/photos", f"smb://me:{HIDDEN}@nas/photos?secret_file=/dev/null"):
        with pytest.raises(argparse.ArgumentTypeError) as raised:
            sink_url(text)
        assert HIDDEN not in str(raised.value)
    assert sink_url("smb://me@nas/photos") == "smb://me@nas/photos"


@pytest.mark.parametrize(
    "text",
    [
        f"smb://me:{HIDDEN}@nas:x/photos",
        f"smb://me:{HIDDEN}@/photos",
        f"smb://me:{HIDDEN}@nas",
        f"nfs://me:{HIDDEN}@nas/x",
        f"smb://me:{HIDDEN}@[nas/x",
    ],
)
def test_a_password_in_a_wrong_url_is_never_shown(text: str) -> None:
    with pytest.raises(SinkError) as raised:
        parse(text)
    assert HIDDEN not in raised.value.explain()


def test_a_secret_is_read_from_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{HIDDEN}\nnot this\n")
    path.chmod(0o600)
    url = parse(f"smb://me@nas/photos?secret_file={path}")
    assert url.require_secret().reveal() == HIDDEN
    for mode in (0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(SecretError, match="others on this machine") as raised:
            from_file(path)
        assert HIDDEN not in raised.value.explain()


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretError):
        from_file(path)


def test_a_secret_comes_from_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "nas").write_text(HIDDEN)
    os.chmod(tmp_path / "nas", 0o440)  # as an access list shows itself
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert from_credential("nas", environment).reveal() == HIDDEN
    os.chmod(tmp_path / "nas", 0o404)
    for name, given in (("other", environment), ("../nas", environment), ("nas", {}), ("nas", environment)):
        with pytest.raises(SecretError):
            from_credential(name, given)


def test_the_secret_of_the_configuration_goes_before_others() -> None:
    assert parse(f"smb://me:{HIDDEN}@nas/photos", Secret("better")).require_secret().reveal() == "better"


def test_a_sink_that_needs_a_password_says_so() -> None:
    with pytest.raises(BadUrlError, match="needs a password"):
        parse("smb://me@nas/photos").require_secret()
