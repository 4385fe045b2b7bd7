"""What the folder holds already: the rules by which content is not stored twice.

Content that an earlier task delivered is safe already, as long as its file is confirmed to be there now. Content
that came before in the same task is stored again under its other name, as a hard link where that works: within a
task every name appears. An empty file is no content worth recognising. In doubt, a file is stored.
"""

from stack.storage.folder import Folder
from stack.storage.items import Kept, Ticket
from stack.storage.journal import EntryRow, Journal


class Known:
    """Looks content up for the receiving thread. Methods raise `StoreError`."""

    def __init__(self, folder: Folder, journal: Journal) -> None:
        self._folder = folder
        self._journal = journal

    def suspected_bytes(self, offered: str) -> int:
        """Up to what size an entry of this name may turn out to be known; -1 if the name is new."""
        return self._journal.largest_bytes(offered)

    def find(self, ticket: Ticket, sha256: bytes, size_bytes: int) -> Kept | EntryRow | None:
        """A file with this content: one that this task waits for, or one that is confirmed to be there."""
        if size_bytes == 0:
            return None
        pending = ticket.pending.get(sha256)  # first: what leaves here is in the journal by then
        return pending or self._confirmed(sha256, size_bytes)

    def _confirmed(self, sha256: bytes, size_bytes: int) -> EntryRow | None:
        rows = (row for row in self._journal.candidates(sha256) if row.size_bytes == size_bytes)
        return next((row for row in rows if self._folder.confirms(row)), None)
