"""A ZIP archive read forward, as it arrives: bytes in, entries out. Sans-io, constant memory.

The law (alliance protocol, 6.6):

* an archive is local headers with their data, then the central directory, then its end record, and nothing else;
* it is complete when the end record was read and counts what came, never because the connection ended;
* the local header and the data decide; the central directory only proves that nothing is missing;
* CRC-32 and sizes of every entry are checked, against the header or whichever form of data descriptor it has.

Bytes are copied only while a record is incomplete. Data is handed on as it is found: a view of the caller's piece
for stored entries, new bytes for deflated ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from stack.transfer.inflate import InflateError, crc32, inflater
from stack.transfer.zip_format import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    DESCRIPTOR_SIGNATURE,
    DESCRIPTORS,
    ENCRYPTED,
    END,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    STORED,
    ZIP64_END,
    ZIP64_END_SIGNATURE,
    ZIP64_LOCATOR,
    ZIP64_LOCATOR_SIGNATURE,
    LocalHeader,
    ZipError,
    central_length,
    local_length,
    parse_local,
)

_FIRST_STEP = 16 * 1024  # packed bytes; small, because inflate copies what follows the entry's end
_LAST_STEP = 256 * 1024
_OUTPUT_STEP = 1024 * 1024  # unpacked bytes at a time, however well they were packed
_ZIP64_END_LIMIT = 64 * 1024
_PADDING_LIMIT = 64 * 1024


class TruncatedArchiveError(ZipError):
    """The bytes ended before the archive did."""


class ArchiveTooLargeError(ZipError):
    """The archive exceeds a limit: too many entries, too many bytes, or packed beyond belief."""


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """What an archive may hold at most. Sizes are unpacked bytes (alliance protocol, 8)."""

    entries: int = 50_000
    entry_bytes: int = 16 << 30
    total_bytes: int = 64 << 30
    ratio: int = 200
    ratio_from_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class EntryEnd:
    """The end of a file whose CRC-32 and sizes are right."""

    size: int
    crc: int


Event = LocalHeader | bytes | memoryview | EntryEnd


class _Next(Enum):
    """What a state wants where it has no event: another turn, or another piece."""

    TURN = auto()
    PIECE = auto()


class ZipReader:
    """Parses one archive. Feed it pieces of any size; for each file it yields a header, data and an end."""

    def __init__(self, limits: ZipLimits | None = None) -> None:
        self.complete = False
        self.entries = 0  # local headers so far, directories included
        self._limits = limits or ZipLimits()
        self._state: Callable[[], Event | _Next] = self._read_signature
        self._piece = memoryview(b"")
        self._position = 0
        self._carry = bytearray()  # the start of a record that the last piece cut
        self._header = LocalHeader("", None, 0, STORED, 0, 0, 0)
        self._payload: _Payload = _StoredPayload(0)
        self._total_bytes = 0
        self._central_entries = 0
        self._zip64_count: int | None = None
        self._padding = 0

    def feed(self, piece: memoryview) -> Iterator[Event]:
        """Parse `piece` and yield what it holds. A view that is yielded lives until the caller changes the piece.

        Raises `ZipError`; the reader is of no use afterwards.
        """
        self._piece, self._position = piece, 0
        while (event := self._state()) is not _Next.PIECE:
            if event is not _Next.TURN:
                yield event

    def end(self) -> None:
        """No more bytes will come. Raises `TruncatedArchiveError` unless the archive is complete."""
        if not self.complete:
            raise TruncatedArchiveError(
                f"the archive is cut off: it ended after the start of {self.entries} entries, before its end record"
            )

    def _read_signature(self) -> Event | _Next:
        signature = self._peek(4)
        if signature is None:
            return _Next.PIECE
        state = self._RECORDS.get(signature)
        if state is None:
            raise ZipError("there is no ZIP record where one must be")
        if signature == LOCAL_SIGNATURE and self._central_entries:
            raise ZipError("an entry follows the central directory")
        self._state = state.__get__(self)
        return _Next.TURN

    def _read_local(self) -> Event | _Next:
        record = self._take_record(LOCAL.size, local_length)
        if record is None:
            return _Next.PIECE
        self.entries += 1
        if self.entries > self._limits.entries:
            raise ArchiveTooLargeError(f"the archive has more than {self._limits.entries} entries")
        self._header = parse_local(record)
        self._payload = _payload_of(self._header)
        self._state = self._read_data
        return _Next.TURN if self._header.is_directory else self._header

    def _read_data(self) -> Event | _Next:
        payload = self._payload
        if payload.ended:
            self._state = self._read_descriptor if self._header.has_descriptor else self._check_header
            return _Next.TURN
        before = payload.size
        data, used = payload.unpack(self._piece[self._position :])
        self._position += used
        self._check_limits(payload.size - before)
        if self._header.is_directory and payload.size:
            raise ZipError("a directory holds data")
        if data:
            return _Next.TURN if self._header.is_directory else data
        return _Next.TURN if used or payload.ended else _Next.PIECE

    def _read_descriptor(self) -> Event | _Next:
        """Find the form that fits what we counted. The end record is longer than what the longest form may overtake."""
        longest = DESCRIPTORS[0].size
        head = self._peek_at_most(longest)
        payload = self._payload
        truth = (payload.crc, payload.packed_size, payload.size)
        for form in DESCRIPTORS:
            if len(head) < form.size:
                continue
            *signature, crc, packed_size, size = form.unpack_from(head)
            fits = signature in ([], [DESCRIPTOR_SIGNATURE]) and (crc, packed_size, size) == truth
            # Of an empty file the 64-bit form begins like the 32-bit one: only all the bytes tell.
            if fits and (payload.size or len(head) == longest):
                self._skip(form.size)
                return self._end_entry()
        if len(head) == longest and self._header.method == STORED and not self._header.packed_size:
            raise ZipError("a stored entry does not say how long it is")
        if len(head) == longest:
            raise ZipError("an entry does not fit its data descriptor: its CRC-32 or its size is wrong")
        return _Next.PIECE

    def _check_header(self) -> Event | _Next:
        header, payload = self._header, self._payload
        if (header.crc, header.packed_size, header.size) != (payload.crc, payload.packed_size, payload.size):
            raise ZipError("an entry does not fit its header: its CRC-32 or its size is wrong")
        return self._end_entry()

    def _end_entry(self) -> Event | _Next:
        self._state = self._read_signature
        return _Next.TURN if self._header.is_directory else EntryEnd(self._payload.size, self._payload.crc)

    def _read_central(self) -> Event | _Next:
        if self._take_record(CENTRAL.size, central_length) is None:
            return _Next.PIECE
        self._central_entries += 1
        if self._central_entries > self.entries:
            raise ZipError("the central directory lists more entries than came")
        self._state = self._read_signature
        return _Next.TURN

    def _read_zip64_end(self) -> Event | _Next:
        record = self._take_record(ZIP64_END.size, _zip64_end_length)
        if record is None:
            return _Next.PIECE
        self._zip64_count = ZIP64_END.unpack_from(record)[7]
        self._state = self._read_signature
        return _Next.TURN

    def _read_zip64_locator(self) -> Event | _Next:
        if self._take_record(ZIP64_LOCATOR.size, len) is None:
            return _Next.PIECE
        self._state = self._read_signature
        return _Next.TURN

    def _read_end(self) -> Event | _Next:
        record = self._take_record(END.size, _end_length)
        if record is None:
            return _Next.PIECE
        # Without Zip64 records the count has 16 bits; writers that have no Zip64 let it wrap.
        counted = END.unpack_from(record)[4]
        expected = self.entries & 0xFFFF if self._zip64_count is None else self.entries
        if self._central_entries != self.entries or (self._zip64_count or counted) != expected:
            raise ZipError("the central directory does not list the entries that came")
        self.complete = True
        self._state = self._skip_padding
        return _Next.TURN

    def _skip_padding(self) -> Event | _Next:
        """Nothing but zeros may follow: bsdtar fills up its last block when it writes to a pipe."""
        rest = bytes(self._carry) + bytes(self._piece[self._position :])
        self._carry.clear()
        self._position = len(self._piece)
        self._padding += len(rest)
        if rest.strip(b"\0") or self._padding > _PADDING_LIMIT:
            raise ZipError("bytes follow the end of the archive")
        return _Next.PIECE

    _RECORDS = {  # noqa: RUF012 - a table, never changed
        LOCAL_SIGNATURE: _read_local,
        CENTRAL_SIGNATURE: _read_central,
        ZIP64_END_SIGNATURE: _read_zip64_end,
        ZIP64_LOCATOR_SIGNATURE: _read_zip64_locator,
        END_SIGNATURE: _read_end,
    }

    def _check_limits(self, grown_bytes: int) -> None:
        limits, payload = self._limits, self._payload
        self._total_bytes += grown_bytes
        if payload.size > limits.entry_bytes or self._total_bytes > limits.total_bytes:
            raise ArchiveTooLargeError("the archive unpacks to more than the limit")
        if payload.size > max(limits.ratio_from_bytes, limits.ratio * payload.packed_size):
            raise ArchiveTooLargeError(f"an entry unpacks to more than {limits.ratio} times its size")

    def _peek(self, size: int) -> bytes | None:
        """The next `size` bytes without consuming them, or None: they are kept for the next piece then."""
        head = self._peek_at_most(size)
        return head if len(head) == size else None

    def _peek_at_most(self, size: int) -> bytes:
        missing = size - len(self._carry)
        if missing > 0:
            more = self._piece[self._position : self._position + missing]
            self._carry += more
            self._position += len(more)
        return bytes(self._carry[:size])

    def _skip(self, size: int) -> None:
        del self._carry[:size]

    def _take_record(self, fixed_size: int, whole_length: Callable[[bytes], int]) -> bytes | None:
        """Consume a record whose fixed part tells its whole length. None where it is not all there yet."""
        fixed = self._peek(fixed_size)
        if fixed is None:
            return None
        record = self._peek(whole_length(fixed))
        if record is not None:
            self._skip(len(record))
        return record


class _Payload:
    """The data of one entry: unpacks it and keeps the three figures that prove it."""

    def __init__(self, packed_limit: int | None) -> None:
        self.crc = self.packed_size = self.size = 0
        self.ended = False
        self._packed_limit = packed_limit

    def unpack(self, view: memoryview) -> tuple[bytes | memoryview, int]:
        """Return the next data in `view` and how many bytes of it were used."""
        raise NotImplementedError

    def _limited(self, view: memoryview, step: int) -> memoryview:
        if self._packed_limit is not None:
            step = min(step, self._packed_limit - self.packed_size)
        return view[:step]

    def _count(self, data: bytes | memoryview, used: int) -> None:
        self.packed_size += used
        self.size += len(data)
        self.crc = crc32(data, self.crc)


class _StoredPayload(_Payload):
    """Data as it is. Its length is in the header, or it could not be told from what follows."""

    def __init__(self, packed_limit: int) -> None:
        super().__init__(packed_limit)
        self.ended = packed_limit == 0

    def unpack(self, view: memoryview) -> tuple[bytes | memoryview, int]:
        data = self._limited(view, _LAST_STEP)
        self._count(data, len(data))
        self.ended = self.packed_size == self._packed_limit
        return data, len(data)


class _DeflatedPayload(_Payload):
    """A deflate stream, which marks its own end."""

    def __init__(self, packed_limit: int | None) -> None:
        super().__init__(packed_limit)
        self._inflater = inflater()
        self._step = _FIRST_STEP

    def unpack(self, view: memoryview) -> tuple[bytes | memoryview, int]:
        packed = self._limited(view, self._step)
        try:
            data: bytes = self._inflater.decompress(packed, _OUTPUT_STEP)
        except InflateError as error:
            raise ZipError(f"a deflated entry is damaged: {error}") from None
        self.ended = self._inflater.eof
        left = self._inflater.unused_data if self.ended else self._inflater.unconsumed_tail
        used = len(packed) - len(left)
        self._step = min(self._step * 2, _LAST_STEP)
        self._count(data, used)
        if not data and not self.ended and self.packed_size == self._packed_limit:
            raise ZipError("a deflated entry does not end where its header says")
        return data, used


def _payload_of(header: LocalHeader) -> _Payload:
    if header.flags & ENCRYPTED:
        raise ZipError("an entry is encrypted")
    packed_limit = header.packed_size if header.packed_size or not header.has_descriptor else None
    if header.method == DEFLATED:
        return _DeflatedPayload(packed_limit)
    if header.method != STORED:
        raise ZipError(f"an entry is packed by method {header.method}; only stored and deflated are known")
    # Info-ZIP and bsdtar store empty files with a descriptor. Should one not be empty, its descriptor will not fit.
    return _StoredPayload(packed_limit or 0)


def _zip64_end_length(fixed: bytes) -> int:
    length: int = 12 + ZIP64_END.unpack(fixed)[1]
    if not ZIP64_END.size <= length <= _ZIP64_END_LIMIT:
        raise ZipError("the Zip64 end record has an impossible size")
    return length


def _end_length(fixed: bytes) -> int:
    comment_length: int = END.unpack(fixed)[-1]
    return END.size + comment_length
