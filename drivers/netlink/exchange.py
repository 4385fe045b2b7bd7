"""One exchange with the kernel: which messages answer it, when it is over, and how it went (netlink(7)). Pure.

The law: a request ends with its acknowledgement, a dump with DONE, several in one datagram with the last of the
acknowledgements they asked for; the first refusal ends all of them. Nothing belongs to an exchange that has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.errors import RadioError
from drivers.netlink.attributes import aligned
from drivers.netlink.message import DONE, ERROR, Flag, Message, build_message, error_in

Request = tuple[int, bytes, int]
"""Message type, body and flags."""


@dataclass(slots=True)
class Exchange:
    """Requests in one datagram. `answers` is all that came but acknowledgements; `failure` is why it ended badly.

    `was_interrupted` says that what a dump told changed meanwhile, so it may be neither the old nor the new truth.
    """

    datagram: bytes
    is_over: bool = False
    failure: RadioError | None = None
    was_interrupted: bool = False
    answers: list[Message] = field(default_factory=list)
    _sequences: range = range(0)
    _unacknowledged: set[int] = field(default_factory=set)

    def take(self, message: Message) -> bool:
        """Take `message` if it is part of this."""
        if self.is_over or message.sequence not in self._sequences:
            return False
        self.was_interrupted |= bool(message.flags & Flag.DUMP_INTERRUPTED)
        if message.type in (ERROR, DONE):
            self._acknowledged(message)
        else:
            self.answers.append(message)
        return True

    def fail(self, failure: RadioError) -> None:
        """End this, unless it has ended."""
        if not self.is_over:
            self.failure, self.is_over = failure, True

    def _acknowledged(self, message: Message) -> None:
        self._unacknowledged.discard(message.sequence)
        self.failure = error_in(message)
        self.is_over = self.failure is not None or not self._unacknowledged


def exchange_of(requests: Sequence[Request], first_sequence: int) -> Exchange:
    """Prepare `requests`, numbered from `first_sequence`; it waits for those with `Flag.ACK`."""
    sequences = range(first_sequence, first_sequence + len(requests))
    numbered = list(zip(sequences, requests, strict=True))
    messages = [build_message(kind, flags | Flag.REQUEST, sequence, body) for sequence, (kind, body, flags) in numbered]
    waiting = {sequence for sequence, (_, _, flags) in numbered if flags & Flag.ACK}
    datagram = b"".join(each.ljust(aligned(len(each)), b"\0") for each in messages)
    return Exchange(datagram, _sequences=sequences, _unacknowledged=waiting)
