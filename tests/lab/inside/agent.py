"""Process 1 of the guest: runs commands that the host sends, reaps what has no parent, powers off at the end."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.lab.wire import AGENT_PORT, HEARTBEAT_S, MAX_REQUEST_BYTES, Kind, Request, encode_frame

_PIECE_BYTES = 65_536
_KILLED_STATUS = 124  # what timeout(1) says


def main() -> None:
    """Fork: the child serves, the parent reaps until the child ends, and then switches the machine off."""
    child = os.fork()
    if child == 0:
        os.setsid()
        serve()
    while os.wait()[0] != child:
        pass
    os.sync()
    Path("/proc/sysrq-trigger").write_text("o")
    signal.pause()


def serve() -> None:
    """Answer each connection in a thread of its own. Tells the host by a line on the console that it may begin."""
    with socket.create_server(("", AGENT_PORT), backlog=64) as server:
        print("lab: ready", flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=[connection], daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as stream:
        line = stream.readline(MAX_REQUEST_BYTES)
        if not line:
            return
        request = Request.decode(line)
        if request.command is None:
            os._exit(0)
        try:
            Command(connection, request).run()
        except OSError as error:
            print(f"lab: the host left: {error}", file=sys.stderr)


class Command:
    """One shell command, whose end, output, time limit and host are watched together."""

    def __init__(self, host: socket.socket, request: Request) -> None:
        """Start it, in a session of its own."""
        self._host = host
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", str(request.command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **request.environment},
            start_new_session=True,
        )
        assert self._process.stdout
        assert self._process.stderr
        self._kinds = {self._process.stdout.fileno(): Kind.OUTPUT, self._process.stderr.fileno(): Kind.COMPLAINT}
        self._deadline = time.monotonic() + request.timeout_s
        self._ended = os.pidfd_open(self._process.pid)

    def run(self) -> None:
        """See it through: its output goes to the host as it comes, its status last."""
        try:
            with selectors.DefaultSelector() as selector:
                for descriptor in (*self._kinds, self._ended, self._host.fileno()):
                    selector.register(descriptor, selectors.EVENT_READ)
                self._watch(selector)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            os.close(self._ended)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        while (left_s := self._deadline - time.monotonic()) > 0:
            events = selector.select(min(left_s, HEARTBEAT_S))
            ready = {key.fd for key, _ in events}
            if not ready:
                self._host.sendall(encode_frame(Kind.HEARTBEAT))
            for descriptor in ready & self._kinds.keys():
                if not self._pass_on(descriptor):
                    selector.unregister(descriptor)
            if self._host.fileno() in ready:
                return  # the host has nothing to say but that it is gone
            if self._ended in ready and not ready & self._kinds.keys():
                self._send_status(self._process.wait())
                return
        self._send_status(_KILLED_STATUS)

    def _pass_on(self, descriptor: int) -> int:
        data = os.read(descriptor, _PIECE_BYTES)
        if data:
            self._host.sendall(encode_frame(self._kinds[descriptor], data))
        return len(data)

    def _send_status(self, status: int) -> None:
        shell_status = status if status >= 0 else 128 - status
        self._host.sendall(encode_frame(Kind.STATUS, bytes([shell_status])))


if __name__ == "__main__":
    main()
