"""The bytes of sinks: signatures of S3 by Amazon's published examples, packets of SFTP, meanings of errors."""

import errno
import os
from datetime import UTC, datetime

import pytest

from stack.storage.forward.policy import Trouble
from stack.storage.sinks import errors
from stack.storage.sinks.errors import FullError, LockedError, ProtocolError, ReadOnlyError, SinkError
from stack.storage.sinks.kernel_errors import sink_error
from stack.storage.sinks.s3_signature import EMPTY_SHA256, Signer
from stack.storage.sinks.secret import Secret
from stack.storage.sinks.sftp_wire import Attributes, Kind, Reader, hello, packet_head, string, times

AMAZON = Signer(
    "AKIAIOSFODNN7EXAMPLE",
    Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    "us-east-1",
    "examplebucket.s3.amazonaws.com",
)
THEN = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "path", "query", "extra", "sha256_hex", "signature"),
    [
        (
            "GET",
            "/test.txt",
            "",
            {"Range": "bytes=0-9"},
            EMPTY_SHA256,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            "",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            "lifecycle=",
            {},
            EMPTY_SHA256,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
    ],
)
def test_requests_are_signed_as_amazon_signs_them(
    method: str, path: str, query: str, extra: dict[str, str], sha256_hex: str, signature: str
) -> None:
    headers = AMAZON.headers(method, path, query, extra, sha256_hex, THEN)
    assert headers["Authorization"].endswith(f"Signature={signature}")


def test_packets_are_those_of_the_draft() -> None:
    assert hello().hex() == "000000050100000003"
    assert packet_head(Kind.LSTAT, 7, 5).hex() == "0000000a" + "07" + "00000007"
    assert string("ü").hex() == "00000002c3bc"
    assert times(1).hex() == "000000080000000100000001"


def test_attributes_are_read_whatever_the_server_adds() -> None:
    everything = bytes.fromhex("0000000f" + "0000000000000010" + "00000001" * 2 + "000081a4" + "00000002" * 2)
    assert Reader(memoryview(everything)).attributes() == Attributes(16, 0o100644)
    assert Reader(memoryview(bytes(4))).attributes() == Attributes(None, None)


@pytest.mark.parametrize("body", ["", "00", "00000005aabb", "ffffffff"])
def test_a_packet_that_ends_early_is_refused(body: str) -> None:
    with pytest.raises(ProtocolError):
        Reader(memoryview(bytes.fromhex(body))).string()


@pytest.mark.parametrize(
    ("number", "kind", "trouble"),
    [
        (errno.ENOSPC, FullError, Trouble.STANDING),
        (errno.EDQUOT, FullError, Trouble.STANDING),
        (errno.EROFS, ReadOnlyError, Trouble.STANDING),
        (errno.ETXTBSY, LockedError, Trouble.THIS_FILE),
        (errno.EACCES, errors.ForbiddenError, Trouble.STANDING),
        (errno.ENAMETOOLONG, errors.BadNameError, Trouble.THIS_FILE),
        (errno.ETIMEDOUT, errors.HangingError, Trouble.PASSING),
        (errno.EKEYREJECTED, errors.DeniedError, Trouble.BARRED),
        (errno.ESTALE, errors.AwayError, Trouble.PASSING),
        (errno.EHOSTDOWN, errors.AwayError, Trouble.PASSING),
        (errno.EIO, errors.AwayError, Trouble.PASSING),
        (errno.ENOTCONN, errors.AwayError, Trouble.PASSING),
    ],
)
def test_what_the_kernel_says_has_a_meaning(number: int, kind: type[SinkError], trouble: Trouble) -> None:
    error = sink_error(OSError(number, os.strerror(number)), "/media/usb")
    assert type(error) is kind
    assert error.trouble is trouble
    assert str(error).startswith("/media/usb: ")


def test_whoever_can_act_is_told_how() -> None:
    speechless = {SinkError, errors.TakenError, errors.MissingBackendError}
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, SinkError)]
    assert {each for each in kinds if not each.remedy} == speechless
