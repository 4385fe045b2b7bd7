"""The phone: shares an album and, as a person would, shares it again until it is told that everything is safe."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.soak.album import Picture
from tests.soak.figures import Figures


class Phone:
    """Sends from `folder`. `receive` lets the station receive once from a port of this machine."""

    def __init__(
        self, folder: Path, figures: Figures, receive: Callable[[int], None], has_given_up: Callable[[], bool]
    ) -> None:
        folder.mkdir()
        self._folder = folder
        self._figures = figures
        self._receive = receive
        self._has_given_up = has_given_up

    def share(self, album: list[Picture]) -> None:
        """Send until everything is acknowledged, or it is given up."""
        for picture in album:
            picture.write(self._folder)
        self._figures.offered += [picture.sent for picture in album]
        while not self._has_given_up():
            if self._send([self._folder / picture.name for picture in album]):
                self._figures.acknowledged += [picture.sent for picture in album]
                self._figures.albums += 1
                break
        for picture in album:
            (self._folder / picture.name).unlink()

    def _send(self, paths: list[Path]) -> bool:
        """Send once; returns whether the station has confirmed that everything is safe."""
        self._figures.sendings += 1
        command = [sys.executable, "-m", "stack.station.cli.main", "send", "--listen", "127.0.0.1:0", "--json"]
        with subprocess.Popen(
            [*command, *map(str, paths)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        ) as sender:
            assert sender.stdout
            try:
                port = json.loads(sender.stdout.readline())["port"]
                while sender.poll() is None and not self._has_given_up():
                    self._receive(port)
                    self._let_it_end(sender)
            finally:
                sender.kill()
            said = [json.loads(line) for line in sender.stdout]
        return any(each["event"] == "done" and each["outcome"] == "safe" for each in said)

    def _let_it_end(self, sender: "subprocess.Popen[bytes]") -> None:
        """Give it a moment; one that nobody has come to yet goes on to wait."""
        try:
            sender.wait(1)
        except subprocess.TimeoutExpired:
            return
