"""What the service says on stderr: one line for everything, JSON unless a person looks at it.

A worker's lines are written by a thread of its own a few times a second: to write each by itself would cost more than
many an answer, and a reader that does not read must not hold up the requests.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Literal, TextIO

import msgspec
from msgspec import Struct, field

Form = Literal["auto", "json", "text"]
Level = Literal["debug", "info", "warning", "error"]

EVERY = 0.2
"""Seconds between two writes of a worker; a warning is written at once, with all that came before it."""

PORTION = 64
"""Lines of one write: nobody is answered while they are made, about 0.2 ms."""

MOST = 20_000
"""Lines that wait to be written, should nobody read them; more are counted, and dropped."""

LAST_WAIT = 0.5
"""Seconds that a worker gives its last lines to be written: the whole stop stays under the promised 2."""

TOLD = ("shaman.removal",)
"""Loggers of what is always told, as it cannot be found out later."""

asked_id: ContextVar[str] = ContextVar("asked_id", default="")
"""The id of the request that is being answered."""


class Line(Struct, kw_only=True):
    """What every line has; `request` is the id of the one that was being answered."""

    time: str
    level: str
    logger: str
    pid: int = field(default_factory=os.getpid)
    request: str = ""

    def text(self) -> str:
        """Return the line as a person reads it."""
        raise NotImplementedError


class Said(Line, kw_only=True):
    """What a logger says."""

    message: str
    traceback: str = ""

    def text(self) -> str:
        """Return it as a person reads it."""
        request = f" [{self.request}]" if self.request else ""
        trace = self.traceback.split("\n") if self.traceback else []
        said = "\n".join(map(_visible, [self.message, *trace]))
        return f"{self.time} {self.level.upper()} {self.logger}{request}: {said}"


Maker = Callable[[], Line]
"""Makes a line when it is written, and not while somebody waits for an answer."""


class Lines(logging.Handler):
    """The way of every line to stderr, in order."""

    def __init__(self, stream: TextIO, form: Form) -> None:
        """Write to `stream`, each line at once until `start`."""
        super().__init__()
        self._stream = stream
        self._json = form == "json" or (form == "auto" and not stream.isatty())
        self._waiting: deque[Maker] = deque()
        self._encoder = msgspec.json.Encoder()
        self._awake = threading.Event()
        self._writing = threading.Lock()
        self._writer: threading.Thread | None = None
        self._stopped = False
        self._missed = 0
        self.dropped = 0

    def start(self) -> None:
        """Write in the background from now on; must be called after a fork, as a thread does not survive one."""
        self._stopped = False
        self._writer = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Write what is left, when logging itself ends."""
        self.stop()
        super().close()

    def stop(self) -> None:
        """Write what is left, if somebody reads it."""
        writer, self._writer, self._stopped = self._writer, None, True
        self._awake.set()
        if writer:
            writer.join(LAST_WAIT)

    def append(self, line: Maker) -> None:
        """Have a line written soon."""
        if len(self._waiting) < MOST:
            self._waiting.append(line)
        else:
            self.dropped += 1
        if self._writer is None:
            self._write()

    def emit(self, record: logging.LogRecord) -> None:
        """Take what a logger says."""
        try:
            line = _line(record)
        except Exception:  # noqa: BLE001 - as every handler of logging does
            self.handleError(record)
            return
        self.append(lambda: line)
        if record.levelno >= logging.WARNING:
            self._awake.set()

    def _write_on(self) -> None:
        while not self._stopped:
            self._awake.wait(EVERY)
            self._awake.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        with self._writing:
            while self._waiting:
                self._write_some()

    def _write_some(self) -> None:
        lines: list[Line] = [self._waiting.popleft()() for _ in range(min(PORTION, len(self._waiting)))]
        missing = self.dropped - self._missed
        if missing and not self._waiting:
            self._missed += missing
            message = f"{missing} lines are missing here: nobody read them in time"
            lines.append(Said(time=stamp(time.time()), level="warning", logger=__name__, message=message))
        if self._json:
            text = self._encoder.encode_lines(lines).decode()
        else:
            text = "".join(f"{line.text()}\n" for line in lines)
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody is there to be told
            pass


def set_up(form: Form = "auto", level: Level = "warning") -> Lines:
    """Have everything that is logged in this process, and in those forked from it, written to stderr."""
    lines = Lines(sys.stderr, form)
    root = logging.getLogger()
    for other in [handler for handler in root.handlers if isinstance(handler, Lines)]:
        root.removeHandler(other)
    root.addHandler(lines)
    root.setLevel(level.upper())
    for name in TOLD:
        logging.getLogger(name).setLevel(min(logging.INFO, root.level))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_end
    return lines


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what nobody has caught, as the process ends."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).critical("unforeseen end", exc_info=(kind, error, trace))


def stamp(seconds: float) -> str:
    """Return a time in UTC as RFC 3339 has it, to the millisecond."""
    second, thousandth = divmod(int(seconds * 1000), 1000)
    return f"{_second(second)}.{thousandth:03}Z"


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _line(record: logging.LogRecord) -> Said:
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    return Said(
        time=stamp(record.created),
        level=record.levelname.lower(),
        logger=record.name,
        request=asked_id.get(),
        message=_encodable(record.getMessage()),
        traceback=_encodable(trace),
    )


def _encodable(text: str) -> str:
    """Return `text` without the halves of characters that no encoding has."""
    return text.encode("utf-8", "backslashreplace").decode()


def _visible(text: str) -> str:
    """Return `text` with its control characters escaped, so that nothing in it can play a line or a colour."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
