"""Carry what lies in the spool to where it shall stay, under its date, verified; then let it leave the spool.

    ferry forward --from photos --to /mnt/nas/photos
    ferry forward --from photos --to 'smb://anna@nas/photos?secret_file=/etc/ferry/nas.secret'

A sink must have been prepared once by `ferry sink init URL`. A sink that is away is tried again, with growing pauses,
and at once when the network or the mounts change. It ends when everything is safe, or when the next attempt is more
than a minute away. --once does not wait; --stay goes on until Ctrl-C, also with what is received meanwhile. Files whose
content a sink has already are not stored twice, and nothing in a sink is ever overwritten.

Exit status 0 only when every file is safe.
"""

import argparse
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from stack.station.cli.arguments import days, hours, library_rule, megabytes_per_s, path_template, sink_url
from stack.station.exit_status import ExitStatus

if TYPE_CHECKING:
    from stack.storage.forward.forwarder import Settings

NAME = "forward"
HELP = "carry what was received to a NAS, a disk or a store"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--from", dest="folder", metavar="DIR", type=Path, required=True, help="the spool")
    parser.add_argument(
        "--to",
        dest="sinks",
        metavar="URL",
        type=sink_url,
        action="append",
        required=True,
        help="a sink; may be given several times",
    )
    parser.add_argument(
        "--policy", choices=("all", "first"), default="all", help="which sinks must have a file (default: all)"
    )
    parser.add_argument("--keep", metavar="DAYS", type=days, default=0.0, help="leave safe files in the spool so long")
    parser.add_argument("--limit", metavar="MB/S", type=megabytes_per_s, default=0.0, help="the most for each sink")
    parser.add_argument("--between", metavar="HH:MM-HH:MM", type=hours, help="forward at this time of day only")
    parser.add_argument(
        "--path",
        metavar="TEMPLATE",
        type=path_template,
        help="where files go in a sink (default: {year}/{year}-{month}-{day}/{name}); also {device}, {brand}, {type}, "
        "{task}, {hash8}, {seq}",
    )
    parser.add_argument(
        "--rule",
        dest="rules",
        metavar="KEY=VALUE,...",
        type=library_rule,
        action="append",
        default=[],
        help="another template for some files, such as 'type=video,path=videos/{year}/{name}'; keys: path, type "
        "(photo, video, raw, other), brand, device; the first that fits counts",
    )
    parser.add_argument("--hooks", metavar="DIR", type=Path, help="programs of root that are told of each file")
    until = parser.add_mutually_exclusive_group()
    until.add_argument("--once", dest="patience_s", action="store_const", const=0.0, help="make one attempt")
    until.add_argument("--stay", dest="patience_s", action="store_const", const=inf, help="go on until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Forward."""
    from stack.station.console import Console
    from stack.station.forwarding import forward
    from stack.storage.forward.child import keep_memory_private
    from stack.storage.library.rules import Rules

    keep_memory_private()
    rules = Rules(tuple(options.rules), *([options.path] if options.path else []))
    is_all_safe, interrupted = forward(Console(options.json), options.folder, _settings(options), rules)
    if interrupted:
        return ExitStatus.INTERRUPTED
    return ExitStatus.SAFE if is_all_safe else ExitStatus.ERROR


def _settings(options: argparse.Namespace) -> "Settings":
    from stack.station.forwarding import sinks
    from stack.storage.forward.forwarder import Settings
    from stack.storage.forward.policy import Demand

    return Settings(
        sinks=sinks(options.sinks),
        demand=Demand(options.policy),
        keep_days=options.keep,
        hours=options.between,
        bytes_per_s=options.limit * 1e6,
        hooks=options.hooks,
        patience_s=60.0 if options.patience_s is None else options.patience_s,
    )
