"""A file server on this machine that misbehaves to order, and a catalogue that names its files."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

BODY = np.random.default_rng(7).bytes(600_000)
FILE = "demo-net.pth"


@dataclass
class Answer:
    """How one request is answered; every later one is answered well."""

    status: int = 200
    body: bytes | None = None  # instead of the server's file
    cut_after: int | None = None  # close the connection after so many bytes
    ranges: bool = True  # honour the Range header
    length: bool = True  # send Content-Length
    stall_at: int | None = None  # wait there until `released`
    etag: str = ""  # send it


@dataclass
class FileServer:
    answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range header
    sent: list[int] = field(default_factory=list)  # bytes of body, a request
    released: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    body: bytes = BODY
    url: str = ""

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        self.sent.append(0)
        turn = len(self.sent) - 1
        self.arrived.set()
        answer = self.answers.pop(0) if self.answers else Answer()
        body = self.body if answer.body is None else answer.body
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and answer.ranges else 0
        if answer.status == 200 and start >= len(body):
            answer.status = 416
        status = 206 if answer.status == 200 and start else answer.status
        part = body[start:] if status in (200, 206) else b"no such file"
        handler.send_response(status)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if answer.etag:
            handler.send_header("ETag", answer.etag)
        if answer.length:
            handler.send_header("Content-Length", str(len(part)))
        handler.end_headers()
        stop = len(part) if answer.cut_after is None else answer.cut_after
        pause = stop if answer.stall_at is None else answer.stall_at
        for piece in (part[:pause], part[pause:stop]):
            handler.wfile.write(piece)
            handler.wfile.flush()
            self.sent[turn] += len(piece)
            if answer.stall_at is not None:
                self.released.wait(20)


@contextmanager
def serving() -> Iterator[FileServer]:
    server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.close_connection = True
            with suppress(BrokenPipeError, ConnectionResetError):  # the client has given up or was killed
                server.reply(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            server.released.set()
            http.shutdown()
            thread.join()


def entry_text(server: str, /, *, key: str = "demo-net", body: bytes = BODY, **changes: object) -> str:
    """A catalogue's TOML with one published entry."""
    values: dict[str, object] = {
        "what": "a network for tests",
        "kind": "published",
        "file": FILE,
        "url": f"{server}/files/{FILE}",
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "licence": "MIT",
        "commercial_use": True,
        "paper": "none",
    } | changes
    lines = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for name, value in values.items()
        if value is not None
    ]
    return "\n".join([f'["{key}"]', *lines, ""])


def write_catalogue(path: Path, *entries: str) -> Path:
    path.write_text("\n".join(entries), encoding="utf-8")
    return path
