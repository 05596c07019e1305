"""`python -m tradingdesk.supervisor up`: the whole desk on one machine.

It starts PostgreSQL and Redis (unless DATABASE_URL and REDIS_URL are set), migrates, then
daphne (`--web N`: so many), the engine worker, the general worker, beat and a feed; it restarts what dies and stops
all in order on Ctrl-C or SIGTERM. On SIGUSR1 it starts the web processes anew, one after the other. It promises to refuse a second start in one data folder, to
name a port that is taken before anything is started, to leave nothing running, and to run what
serves as an unprivileged account when root starts it: where that cannot be it says so, and listens
on this machine alone.

`down`, `status`, `restart`, `logs` and `exec` are in `tradingdesk.control`. It installs nothing (the script
`desk` does) and decides nothing about trading.
"""

import argparse
import os
import shlex
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from tradingdesk import runfile
from tradingdesk.console import Console
from tradingdesk.embedded import Postgres, Redis, Service, ServiceError, free_port
from tradingdesk.parts import LogTail, Part, command_part
from tradingdesk.privilege import (
    Account,
    RootRefused,
    chosen_account,
    folder_for_beat,
    folder_for_ticks,
    is_loopback,
    open_to_read,
)
from tradingdesk.probes import (
    EVERY_PART,
    engine_ready,
    find_fault,
    port_owner,
    quotes_ready,
    shards_of,
    site_ready,
    symbols_ready,
    without_password,
)
from tradingdesk.secret import KeyTooShort, key_of
from tradingdesk.web import DATABASE_CONNECTIONS, MAX_PROCESSES, STOP_LIMIT_S, WebPort

ROOT = Path(__file__).resolve().parent.parent
LOOK_EVERY_S = 0.2
DEMO_LIMIT_S = 120
GIVEN_LIMIT_S = 10
# What takes work in goes first, what does it next, what keeps it last.
STOP_ORDER = (
    ("feed", "demo", "prepare", "daphne", "beat"),
    ("engine", "worker", "ticks"),
    ("redis", "postgres"),
)
RENEWAL_LIMIT_S = 60


class StartFailed(Exception):
    """The desk cannot start; the text says why."""


class Supervisor:
    """The running desk: its parts, their logs, and the loop that watches them."""

    def __init__(self, arguments: argparse.Namespace, data: Path, console: Console) -> None:
        """Take the data folder; nothing is started yet.

        Raises:
            AlreadyRunning: another supervisor holds the data folder.
        """
        self.arguments = arguments
        self.data = data
        self.console = console
        self.shards = 1
        self.run = runfile.RunFile(data)
        self.logs = data / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.parts: dict[str, Part] = {}
        self.tails: dict[str, LogTail] = {}
        self.last_words: dict[str, deque[str]] = {}
        self.stop_asked = 0
        self.renewal_asked = False
        self.web: WebPort | None = None
        self.account: Account | None = None  # as whom the parts run, when not as us
        self.secret_key = ""
        self.unwritten = False  # the run file is behind, the disk did not take it

    # ---- start ----

    def up(self) -> int:
        """Start everything, watch it until somebody asks to stop, stop everything."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGUSR1, self._on_renewal)
        begun = time.monotonic()
        try:
            web = self._open_port()
            self._choose_account()
            for name in self.run.end_left_over():
                self.console.say(f"{name} was left over from a crash and has been ended")
            environment = self._start_services()
            self._prepare(environment)
            self._start_parts(environment)
            self._start_web(web, environment)
            self._wait_until_ready()
            self._run_demo_and_feed(environment)
            self._greet(time.monotonic() - begun)
            while not self.stop_asked:
                self.look()
                if self.renewal_asked:
                    self.renewal_asked = False
                    self._renew_web()
            return 0
        except StartFailed as failure:
            if not self.stop_asked:
                self.console.error(str(failure))
            return 130 if self.stop_asked else 1
        except ServiceError as failure:
            self.console.error(str(failure))
            return 1
        finally:
            self._stop_all()
            if self.web is not None:
                self.web.close()
            self.run.release()

    def _on_signal(self, number: int, frame: object) -> None:
        self.stop_asked += 1

    def _on_renewal(self, number: int, frame: object) -> None:
        self.renewal_asked = True

    def _open_port(self) -> WebPort:
        """Listen, so that whatever has the port is known before anything is started.

        Raises:
            StartFailed: it is taken.
        """
        host, port = self.arguments.host, self.arguments.port
        try:
            self.web = WebPort(host, port, self.arguments.web)
        except OSError as error:
            raise StartFailed(
                f"port {port} on {host} is taken{port_owner(port)} ({error.strerror}); "
                f"free it, or choose another: ./desk up --port {port + 1}"
            ) from None
        shown = "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else host
        self.run.state.address = f"http://{shown}:{port}"
        self.run.state.web = {name: self.web.address(name) for name in self.web.names}
        self.run.write()
        return self.web

    def _choose_account(self) -> None:
        """Find out as whom the parts run, and with which key.

        Raises:
            StartFailed: the secret key can be guessed, or it would be root on an address that others reach.
        """
        try:
            self.secret_key = key_of(os.environ, self.data)
            self.account = chosen_account(
                host=self.arguments.host, port=self.arguments.port, python=sys.executable, root=ROOT, data=self.data,
                say=self.console.say, warn=self.console.error,
            )  # fmt: skip
        except (KeyTooShort, RootRefused) as refusal:
            raise StartFailed(str(refusal)) from None

    def _start_services(self) -> dict[str, str]:
        """Start PostgreSQL and Redis where their addresses are not given; return the environment."""
        environment = {
            **os.environ,
            "DESK_DATA": str(self.data),
            "DJANGO_SETTINGS_MODULE": "tradingdesk.settings",
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        if not is_loopback(self.arguments.host) and "ALLOWED_HOSTS" not in environment:
            environment["ALLOWED_HOSTS"] = (
                f"localhost,127.0.0.1,[::1],{self.arguments.host},{socket.gethostname()}"
            )
        if not self.arguments.feed or "replay" in self.arguments.feed:  # no feed of ours, or one that ends
            environment.setdefault("HEALTH_PARTS", ",".join(part for part in EVERY_PART if part != "feed"))
        kinds: list[tuple[str, type[Service]]] = [("DATABASE_URL", Postgres), ("REDIS_URL", Redis)]
        for variable, kind in kinds:
            if environment.get(variable):
                self._check_given(variable, environment[variable])
                continue
            service = kind(self.data / kind.name, port=free_port())
            if isinstance(service, Postgres):
                service.connections += DATABASE_CONNECTIONS * (self.arguments.web - 1)
            self._add(Part(kind.name, service.launch, service.stop_signal, stop_limit_s=30.0))
            begun = time.monotonic()
            service.log_path = self.logs / f"{kind.name}.log"
            service.wait_ready()
            environment[variable] = service.url
            self.console.ready(kind.name, time.monotonic() - begun)
        self.run.state.environment = {
            name: environment[name]
            for name in (
                "DATABASE_URL",
                "REDIS_URL",
                "DESK_DATA",
                "ALLOWED_HOSTS",
                "SECRET_KEY",
                "DESK_PLUGINS",
                "HEALTH_PARTS",
            )
            if name in environment
        }
        self.run.write()
        return environment

    def _check_given(self, variable: str, url: str) -> None:
        """Return when the server that the environment names can be used; one that is starting gets a moment.

        Raises:
            StartFailed: it cannot; the text says why.
        """
        begun = time.monotonic()
        fault, may_come = find_fault(variable, url)
        while fault and may_come and time.monotonic() - begun < GIVEN_LIMIT_S and not self.stop_asked:
            self.console.say(f"waiting for {variable} ({fault})")
            time.sleep(1)
            fault, may_come = find_fault(variable, url)
        if fault:
            raise StartFailed(f"{variable}={without_password(url)} cannot be used: {fault}")
        self.console.ready(variable, time.monotonic() - begun)

    def _prepare(self, environment: dict[str, str]) -> None:
        """Bring database and static files up to date, in one process."""
        begun = time.monotonic()
        part = self._command(
            "prepare",
            [sys.executable, "-m", "tradingdesk.bootstrap", "prepare"],
            environment,
            once=True,
            as_us=True,
        )
        self._wait(part.name, lambda: not part.is_running, limit_s=600)
        if part.process is None or part.process.returncode:
            raise StartFailed("the database or the static files could not be prepared; see the lines above")
        if self.account is not None:
            open_to_read(self.data / "static")
        self.console.ready("prepare", time.monotonic() - begun)

    def _start_parts(self, environment: dict[str, str]) -> None:
        """Start all that runs as long as the desk does."""
        python = sys.executable
        celery = [python, "-m", "celery", "--quiet", "-A", "tradingdesk"]
        quiet = ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
        self.shards = self._number_of_shards(environment)
        self._command(
            "engine",
            [*celery, "worker", "-Q", "engine", "-n", "engine@%h", "-c", str(self.shards + 1), *quiet],
            environment,
            stop_limit_s=15,
        )
        self._command(
            "worker", [*celery, "worker", "-Q", "celery", "-n", "worker@%h", "-c", "2", *quiet], environment
        )
        schedule = str(folder_for_beat(self.data / "run" / "beat", self.account) / "schedule")
        self._command(
            "beat", [*celery, "beat", "--schedule", schedule, "--pidfile=", "--loglevel", "INFO"], environment
        )
        if environment.get("DESK_DAYS_KEPT") != "0":
            folder_for_ticks(self.data / "ticks", self.account)
            self._command("ticks", [python, "manage.py", "keep_ticks"], environment)

    def _start_web(self, web: WebPort, environment: dict[str, str]) -> None:
        """Start the web processes."""
        for name in web.names:
            own = {**environment, **web.environment(name)}
            self._command(
                name, web.command(name), own, stop_limit_s=STOP_LIMIT_S, inherited=web.inherited(name)
            )

    def _number_of_shards(self, environment: dict[str, str]) -> int:
        """Return how many desks are needed: what the database says, at the first start what DESK_SHARDS says.

        Raises:
            StartFailed: the two differ, or the database does not answer.
        """
        told = int(environment.get("DESK_SHARDS") or 0)
        try:
            found = shards_of(environment["DATABASE_URL"])
        except psycopg.Error as error:
            raise StartFailed(f"the number of shards cannot be read: {error}") from None
        if told and found and told != found:
            raise StartFailed(
                f"DESK_SHARDS={told}, and the database is divided among {found}: start with DESK_SHARDS={found} or"
                f" without it, or change the number with manage.py shards {told} while no desk runs"
            )
        return found or told or 1

    def _wait_until_ready(self) -> None:
        """Wait until pages are served and every shard has a desk."""
        database = self.run.state.environment["DATABASE_URL"]
        for name, address in self.run.state.web.items():
            self._wait(name, partial(site_ready, address), limit_s=60, announce=True)
        self._wait("engine", lambda: engine_ready(database, self.shards), limit_s=60, announce=True)

    def _start_feed(self, environment: dict[str, str]) -> None:
        """Start the feed, and wait for its first quote."""
        if not self.arguments.feed:
            return
        words = [sys.executable, "manage.py", "feed", *self.arguments.feed]
        once = "replay" in self.arguments.feed  # a file has an end
        part = self._command("feed", words, environment, stop_limit_s=5, once=once)
        since_ms = int(part.state.since * 1000)
        self._wait(
            "feed", lambda: quotes_ready(environment["REDIS_URL"], since_ms), limit_s=60, announce=True
        )

    def _run_demo_and_feed(self, environment: dict[str, str]) -> None:
        """Load the demo, which changes nothing that is there already, and print its logins.

        The feed starts when there are symbols, since quotes of unknown ones are refused; the demo
        then waits for the first quotes to open its positions.
        """
        if not self.arguments.demo:
            self._start_feed(environment)
            return
        begun = time.monotonic()
        answer = self.data / "run" / "demo.txt"
        answer.touch(mode=0o600)  # it will hold passwords
        command = [sys.executable, "manage.py", "demo"]
        part = self._command("demo", command, environment, once=True, answer=answer, as_us=True)
        try:
            database = environment["DATABASE_URL"]
            self._wait("demo", lambda: symbols_ready(database) or not part.is_running, limit_s=DEMO_LIMIT_S)
            self._start_feed(environment)
            self._wait("demo", lambda: not part.is_running, limit_s=DEMO_LIMIT_S)
            told = answer.read_text(errors="replace").rstrip()
        finally:
            answer.unlink(missing_ok=True)
        if part.process is None or part.process.returncode:
            self.console.error("the demo could not be loaded, see above; the desk runs without it")
            return
        self.run.state.logins = told
        self.console.ready("demo", time.monotonic() - begun)

    def _greet(self, seconds: float) -> None:
        address = self.run.state.address
        self.run.write()
        self.console.banner(
            f"The desk is open after {seconds:.1f} s.",
            [("Portal", f"{address}/"), ("Admin", f"{address}/admin/"), ("API", f"{address}/api/v1/docs/"),
             ("Logs", str(self.logs))],
            self.run.state.logins,
        )  # fmt: skip
        if not is_loopback(self.arguments.host):
            self._warn_of_the_network()

    def _warn_of_the_network(self) -> None:
        """Tell what whoever can reach this address can do."""
        self.console.error(
            f"WARNING: {self.arguments.host} is reached by others, and this is plain HTTP: passwords and tokens can be"
            " read on their way. Put TLS in front and listen on this machine alone (docs/operations.md)."
        )
        if self.run.state.logins or (self.data / "demo-logins.json").exists():
            self.console.error(
                "WARNING: the demo's logins work here, a manager's who may do everything among them. Make them inactive,"
                " or start with --no-demo on a database that has never had the demo."
            )

    # ---- watching ----

    def _command(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        *,
        stop_limit_s: float = 10.0,
        once: bool = False,
        answer: Path | None = None,
        as_us: bool = False,
        inherited: tuple[int, ...] = (),
    ) -> Part:
        """Start a program of ours; what only sets up (`as_us`) runs as whoever started the desk."""
        account = None if as_us else self.account
        if account is not None:
            environment = account.environment(environment, secret_key=self.secret_key)
        return self._add(
            command_part(
                name,
                command,
                environment=environment,
                account=account,
                folder=ROOT,
                stop_limit_s=stop_limit_s,
                once=once,
                answer=answer,
                inherited=inherited,
            )
        )

    def _add(self, part: Part) -> Part:
        """Start a part, and from now on watch it and show what it says."""
        log = self.logs / f"{part.name}.log"
        self.tails[part.name] = LogTail(log)
        self.parts[part.name] = part
        self.run.state.parts[part.name] = part.state
        part.start(log)
        self.run.write()
        return part

    def look(self) -> None:
        """Show new log lines, start again what died, and rest for a moment.

        A disk that is full, or cannot be written for another reason, is told once and tried again at every look:
        the parts that run go on meanwhile.
        """
        try:
            self._show_logs()
            self._start_again(time.monotonic())
            if self.unwritten:
                self.run.write()
                self.console.say("the data folder can be written again")
            self.unwritten = False
        except OSError as error:
            if not self.unwritten:
                self.console.error(f"the data folder cannot be written: {error}")
            self.unwritten = True
        time.sleep(LOOK_EVERY_S)

    def _start_again(self, now: float) -> None:
        for part in self.parts.values():
            status = part.ended()
            if status is not None:
                if part.once:
                    part.state.state = "done" if status == 0 else f"failed ({status})"
                else:
                    pause = part.plan_restart(now)
                    self.console.error(f"{part.name} ended with status {status}; again in {pause:.1f} s")
                self.run.write()
            elif part.state.state == "died" and now >= part.due:
                part.start(self.logs / f"{part.name}.log")
                self.run.write()

    def _show_logs(self) -> None:
        for name, tail in self.tails.items():
            for line in tail.new_lines():
                self.last_words.setdefault(name, deque(maxlen=20)).append(line)
                self.console.log(name, line)

    def _wait(self, name: str, done: Callable[[], bool], *, limit_s: float, announce: bool = False) -> None:
        """Look on until something is done, telling every few seconds that we wait.

        Raises:
            StartFailed: it took too long, it keeps dying, or somebody asked to stop.
        """
        begun = told = time.monotonic()
        while not done():
            if self.stop_asked:
                raise StartFailed("stopped")
            now = time.monotonic()
            part = self.parts[name]
            if now - begun > limit_s or part.state.restarts >= 4:
                words = "\n".join(f"  {line}" for line in self.last_words.get(name, []))
                raise StartFailed(f"{name} is not ready after {now - begun:.0f} s; its last words:\n{words}")
            if now - told >= 3:
                told = now
                self.console.say(f"waiting for {name} ({now - begun:.0f} s)")
            self.look()
        self._show_logs()
        if announce:
            self.console.ready(name, time.monotonic() - begun)

    # ---- new web processes ----

    def _renew_web(self) -> None:
        """Start the web processes anew, each when the one before it answers again; the others serve meanwhile.

        Where one does not come back the rest are left as they are.
        """
        for name, address in self.run.state.web.items():
            self.console.say(f"{name} is started anew")
            part = self.parts[name]
            part.state.state = "restarting"  # so that its end is no death
            part.ask_to_stop()
            if not self._look_until(partial(_has_ended, part), part.stop_limit_s):
                self.console.error(f"{name} did not stop within {part.stop_limit_s:.0f} s: killed")
            part.end_group()
            if self.stop_asked:
                return
            part.start(self.logs / f"{name}.log")
            self.run.write()
            begun = time.monotonic()
            if not self._look_until(partial(site_ready, address), RENEWAL_LIMIT_S):
                self.console.error(f"{name} does not answer again: the others are not started anew")
                return
            self.console.ready(name, time.monotonic() - begun)

    def _look_until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Look on until something is done; return whether it was before the limit, and before somebody asked to stop."""
        end = time.monotonic() + limit_s
        while not (found := done()) and time.monotonic() < end and not self.stop_asked:
            self.look()
        return found

    # ---- stop ----

    def _stop_all(self) -> None:
        """Stop the parts in order; each has its time limit, a second Ctrl-C cuts all short."""
        if self.parts:
            self.console.say("stopping")
        impatient = self.stop_asked + 1
        for names in STOP_ORDER:
            # Of several daphnes each has a number behind its name.
            group = [
                part
                for name, part in self.parts.items()
                if name.partition("-")[0] in names and part.is_running
            ]
            for part in group:
                part.ask_to_stop()
            begun = time.monotonic()
            while waiting := [part for part in group if part.is_running]:
                for part in waiting:
                    late = time.monotonic() - begun > part.stop_limit_s or self.stop_asked >= impatient
                    if late and part.name not in ("postgres", "redis"):
                        self.console.error(
                            f"{part.name} did not stop within {part.stop_limit_s:.0f} s: killed"
                        )
                        part.end_group()
                    elif time.monotonic() - begun > part.stop_limit_s:
                        part.end_group()
                self._show_logs()
                time.sleep(0.05)
            for part in group:
                part.end_group()
                part.state.state = "stopped"
        self._show_logs()
        if self.parts:
            self.console.say("stopped")


def _has_ended(part: Part) -> bool:
    return not part.is_running


def main(words: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="./desk up", description="Start the whole desk on this machine.")
    parser.add_argument("up", choices=["up"], help=argparse.SUPPRESS)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8000, help="port of the pages (default 8000)")
    parser.add_argument(
        "--web", type=int, default=1, metavar="N", help=f"web processes, 1 (default) to {MAX_PROCESSES}"
    )
    parser.add_argument(
        "--feed",
        default="simulate --past 8",
        help='what `manage.py feed` is told (default "simulate --past 8"); "" for no feed',
    )
    parser.add_argument("--no-demo", dest="demo", action="store_false", help="leave the database as it is")
    parser.add_argument(
        "--quiet", action="store_true", help="no logs on the terminal, only in the data folder"
    )
    arguments = parser.parse_args(words)
    if not 0 < arguments.port < 65536:
        parser.error(f"port {arguments.port} is not between 1 and 65535")
    if not 1 <= arguments.web <= MAX_PROCESSES:
        parser.error(f"--web {arguments.web} is not between 1 and {MAX_PROCESSES}")
    arguments.feed = shlex.split(arguments.feed)
    console = Console(quiet=arguments.quiet)
    try:
        return Supervisor(arguments, data_folder(), console).up()
    except runfile.AlreadyRunning as refusal:
        console.error(str(refusal))
        return 1
    except OSError as failure:
        console.error(f"the data folder {data_folder()} cannot be used: {failure}")
        return 1


def data_folder() -> Path:
    """Return the data folder: DESK_DATA, else .desk beside manage.py."""
    return Path(os.environ.get("DESK_DATA") or ROOT / ".desk").absolute()


if __name__ == "__main__":
    sys.exit(main())
