"""URLs of sinks, taken apart and checked. What is secret in one never comes out again.

    /media/usb/photos   file:///media/usb/photos
    smb://USER@HOST[:PORT]/SHARE[/FOLDER]
    sftp://USER@HOST[:PORT]/FOLDER
    webdav[s]://USER@HOST[:PORT]/FOLDER
    s3://KEY_ID@HOST[:PORT]/BUCKET[/PREFIX]    over TLS; s3+http:// where there is none

After `?`: key=FILE and host_key=TYPE%20BASE64 (sftp), ca=FILE (webdavs, s3), region=NAME (s3), and for the password
secret_file=FILE or credential=NAME. Everywhere but for folders time_limit_s=N, how long the server may keep silent.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from stack.storage.sinks.base import DEFAULT_TIME_LIMIT_S, checked
from stack.storage.sinks.errors import BadNameError, BadUrlError
from stack.storage.sinks.secret import Secret, from_credential, from_file

_COMMON: Final = frozenset({"secret_file", "credential", "time_limit_s"})
_TIME_LIMITS_S: Final = range(1, 601)
_OPTIONS: Final[dict[str, frozenset[str]]] = {
    "file": frozenset(),
    "smb": _COMMON,
    "sftp": _COMMON | {"key", "host_key"},
    "webdav": _COMMON,
    "webdavs": _COMMON | {"ca"},
    "s3": _COMMON | {"ca", "region"},
    "s3+http": _COMMON | {"region"},
}
_PORTS: Final = {"file": 0, "smb": 445, "sftp": 22, "webdav": 80, "webdavs": 443, "s3": 443, "s3+http": 80}


@dataclass(frozen=True, slots=True)
class SinkUrl:
    """A checked URL. `path` has no slash at its ends but that of an absolute folder (file, sftp)."""

    scheme: str
    user: str
    host: str
    port: int
    path: str
    options: dict[str, str] = field(default_factory=dict)
    secret: Secret | None = None
    time_limit_s: int = DEFAULT_TIME_LIMIT_S

    def __str__(self) -> str:
        """The URL as it may be shown, and as it names the sink: without secrets and options."""
        if self.scheme == "file":
            return self.path
        user = f"{quote(self.user)}@" if self.user else ""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{user}{host}{port}/{quote(self.path.lstrip('/'))}"

    def require_secret(self) -> Secret:
        """The secret. Raises `BadUrlError` if there is none."""
        if self.secret is None:
            raise BadUrlError(f"{self} needs a password: secret_file=FILE or credential=NAME")
        return self.secret


def parse(text: str, secret: Secret | None = None) -> SinkUrl:
    """Take a URL apart; `secret` is one that the configuration holds. Raises `BadUrlError`, `SecretError`."""
    if "://" not in text:
        return _folder(text)
    parts = _split(text)
    if parts.scheme not in _OPTIONS:
        raise BadUrlError(f"{parts.scheme}:// is no kind of sink")
    if parts.scheme == "file":
        return _folder(unquote(parts.path))
    options = _options(parts)
    url = SinkUrl(
        scheme=parts.scheme,
        user=unquote(parts.username or ""),
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        path=_path(parts),
        options=options,
        secret=secret or _secret(parts, options),
        time_limit_s=_time_limit_s(options),
    )
    _require_whole(url)
    return url


def has_password(text: str) -> bool:
    """Whether a password stands in a URL itself. Raises `BadUrlError`."""
    return "://" in text and bool(_split(text).password)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port, parts.hostname
    except ValueError:
        raise BadUrlError("this is no URL of a sink") from None  # not shown: a secret may be anywhere in it
    return parts


def _folder(path: str) -> SinkUrl:
    if not path.startswith("/") or "\0" in path:
        raise BadUrlError(f"{path!r} is no absolute path of a folder")
    return SinkUrl("file", "", "", 0, str(Path(path)))


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options.keys() - _OPTIONS[parts.scheme]:
        raise BadUrlError(f"{parts.scheme}:// has no option {name!r}")
    return options


def _path(parts: SplitResult) -> str:
    path = unquote(parts.path).strip("/")
    try:
        path = checked(path) if path else ""
    except BadNameError as error:
        raise BadUrlError(str(error)) from None
    return f"/{path}" if parts.scheme == "sftp" else path


def _secret(parts: SplitResult, options: dict[str, str]) -> Secret | None:
    if "secret_file" in options:
        return from_file(Path(options["secret_file"]))
    if "credential" in options:
        return from_credential(options["credential"])
    return Secret(unquote(parts.password)) if parts.password else None


def _time_limit_s(options: dict[str, str]) -> int:
    text = options.get("time_limit_s", str(DEFAULT_TIME_LIMIT_S))
    if not (text.isdecimal() and int(text) in _TIME_LIMITS_S):
        raise BadUrlError("time_limit_s is from 1 to 600 seconds")
    return int(text)


def _require_whole(url: SinkUrl) -> None:
    if not url.host or url.host.startswith("-"):
        raise BadUrlError("the URL names no host")
    if url.user.startswith("-") or not (url.user or url.scheme.startswith("webdav")):
        raise BadUrlError(f"{url} names no user")
    if url.scheme in ("smb", "s3", "s3+http") and not url.path:
        raise BadUrlError(f"{url} names no {'share' if url.scheme == 'smb' else 'bucket'}")
