"""Forwarding put together: spool, ledger, library, metadata reader and sinks, until it ends or a person ends it."""

import os
import random
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from board.clock import wall, wall_is_good
from stack.station.console import Console
from stack.station.forward_view import ForwardView
from stack.station.interrupt import cancel_on_signals
from stack.storage.forward.forwarder import Forwarder, Settings
from stack.storage.forward.lane import SinkSettings
from stack.storage.forward.ledger import Ledger
from stack.storage.forward.placing import Placing
from stack.storage.forward.source import Source
from stack.storage.library.library import Library
from stack.storage.library.metadata_reader import MetadataReader
from stack.storage.library.rules import Rules
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.url import parse


def sinks(urls: Sequence[str]) -> list[SinkSettings]:
    """Name sinks by their URLs without what is secret. One that is named twice is one. Raises `SinkError`."""
    named = {str(parse(url)): url for url in urls}
    return [SinkSettings(name, url) for name, url in named.items()]


def prepared_sink(url: str) -> SinkSettings:
    """Initialise a sink, unless it is. Raises `SinkError`."""
    with closing(open_sink(parse(url), passing_station())) as sink:
        sink.initialise()
    return sinks([url])[0]


def passing_station() -> str:
    """Draw an id for the temporary names of one process that brings no files."""
    return os.urandom(4).hex()


def forward(console: Console, folder: Path, settings: Settings, rules: Rules) -> tuple[bool, bool]:
    """Forward from the spool in `folder`. Returns whether all is safe, and whether a person ended it.

    Raises `StoreError`, `ReaderUnavailableError`.
    """
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    with Source(folder) as source, closing(Ledger(source.journal_path)) as ledger, MetadataReader() as reader:
        source.claim()
        placing = Placing(source, ledger, Library(rules, zone), reader, _good_now)
        view = ForwardView(console, sum(each.size_bytes for each in ledger.spooled()) * len(settings.sinks))
        forwarder = Forwarder(source, ledger, placing, settings, view, random.random)
        with cancel_on_signals(forwarder.stop) as interrupt:
            is_all_safe = forwarder.run()
        ledger.checkpoint()
        view.close(is_all_safe=is_all_safe)
    return is_all_safe, interrupt.came


def _good_now() -> datetime | None:
    now = wall()
    return now if wall_is_good(now) else None
