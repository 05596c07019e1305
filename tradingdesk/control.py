"""`python -m tradingdesk.control down|status|restart|logs|exec`: what one does to a desk that runs.

It reads the run file and signals the supervisor; it touches no part by itself. `exec` runs a
command with the desk's environment; when no desk runs, PostgreSQL and Redis are started for as
long as the command takes.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tradingdesk import runfile
from tradingdesk.embedded import Postgres, Redis, Service, ServiceError, wheel_programs
from tradingdesk.parts import LogTail
from tradingdesk.probes import find_fault, site_ready, without_password
from tradingdesk.supervisor import ROOT, data_folder

STOP_LIMIT_S = 90
RENEWAL_LIMIT_S = 90  # of each web process


def down(data: Path) -> int:
    """Stop the desk and wait until all of it has ended; 0 also when none was running."""
    state = runfile.running(data)
    if state is None:
        print("the desk does not run")
        return 0
    os.kill(state.pid, signal.SIGTERM)
    begun = time.monotonic()
    while runfile.is_alive(state.pid, state.born):
        if time.monotonic() - begun > STOP_LIMIT_S:
            print(f"the desk (pid {state.pid}) has not stopped after {STOP_LIMIT_S} s", file=sys.stderr)
            return 1
        time.sleep(0.1)
    print(f"the desk has stopped ({time.monotonic() - begun:.1f} s)")
    return 0


def status(data: Path) -> int:
    """Print the parts of the desk and what is wrong; 0 when it runs and every part is well, else 1."""
    state = runfile.running(data)
    if state is None:
        print("the desk does not run")
        return 1
    print(f"the desk runs at {state.address} (pid {state.pid}, for {_span(time.time() - state.since)})\n")
    print(f"  {'part':<10}{'state':<14}{'pid':>8}{'for':>10}{'restarts':>10}{'memory':>10}")
    well = True
    for name, part in state.parts.items():
        alive = runfile.is_alive(part.pid, part.born)
        word = part.state if alive or part.state != "running" else "ended"
        if word == "running" and name in state.web and not site_ready(state.web[name]):
            word = "silent"
        well = well and word in ("running", "done")
        shown = (
            (str(part.pid), _span(time.time() - part.since), _memory(part.pid)) if alive else ("-", "-", "-")
        )
        print(f"  {name:<10}{word:<14}{shown[0]:>8}{shown[1]:>10}{part.restarts:>10}{shown[2]:>10}")
    print(flush=True)
    well = _run(lambda _: ["python", "-m", "tradingdesk.vitals"], _environment(data, state)) == 0 and well
    if state.logins:
        print("\n" + "\n".join(f"  {line}" for line in state.logins.splitlines()))
    return 0 if well else 1


def restart(data: Path) -> int:
    """Have the web processes started anew, one after the other; 0 when all of them answer again."""
    state = runfile.running(data)
    if state is None:
        print("the desk does not run")
        return 1
    before = {name: state.parts[name].pid for name in state.web}
    os.kill(state.pid, signal.SIGUSR1)
    for name, pid in before.items():
        end = time.monotonic() + RENEWAL_LIMIT_S
        while not (
            (found := runfile.running(data)) and found.parts[name].pid != pid and site_ready(found.web[name])
        ):
            if found is None or time.monotonic() > end:
                print(f"{name} has not come back; ./desk logs {name}", file=sys.stderr)
                return 1
            time.sleep(0.1)
        print(f"{name} answers again", flush=True)
    return 0


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _memory(pid: int) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return f"{int(line.split()[1]) // 1024} MB"
    return "-"


def logs(data: Path, name: str | None, *, follow: bool, lines: int) -> int:
    """Print the last lines of one part's log, or of every part's, and go on as they grow."""
    folder = data / "logs"
    paths = [folder / f"{name}.log"] if name else sorted(folder.glob("*.log"))
    if not paths or not all(path.exists() for path in paths):
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        print(f"there is no log of {name or 'any part'}; there are: {known}", file=sys.stderr)
        return 1
    tails = {path.stem: LogTail(path) for path in paths}
    for path in paths:
        with path.open(errors="replace") as file:
            for line in deque(file, maxlen=lines):
                print(f"{path.stem:<9}| {line}", end="" if line.endswith("\n") else "\n")
    while follow:
        try:
            for stem, tail in tails.items():
                for line in tail.new_lines():
                    print(f"{stem:<9}| {line}", flush=True)
            time.sleep(0.2)
        except KeyboardInterrupt:
            break
    return 0


def execute(data: Path, command: Callable[[dict[str, str]], list[str]]) -> int:
    """Run the command that is made from the desk's environment, in it; return its exit status.

    Without a running desk, the servers whose addresses are not given run for as long as the
    command does; their lock keeps two such commands, or a desk, from meeting in one folder.
    """
    state = runfile.running(data)
    environment = _environment(data, state)
    if state is not None:
        return _run(command, environment)
    kinds: list[tuple[str, type[Service]]] = [("DATABASE_URL", Postgres), ("REDIS_URL", Redis)]
    missing = [(variable, kind) for variable, kind in kinds if not environment.get(variable)]
    for variable in [variable for variable, _ in kinds if environment.get(variable)]:
        fault, _ = find_fault(variable, environment[variable])
        if fault:
            told = without_password(environment[variable])
            print(f"{variable}={told} cannot be used: {fault}", file=sys.stderr)
            return 1
    if not missing or not needs_servers(command(environment)):
        return _run(command, environment)
    try:
        run = runfile.RunFile(data)
    except runfile.AlreadyRunning as refusal:
        print(refusal, file=sys.stderr)
        return 1
    run.end_left_over()
    services: list[Service] = []
    try:
        for variable, kind in missing:
            service = kind(data / kind.name)
            services.append(service)
            environment[variable] = service.start()
        return _run(command, environment)
    except ServiceError as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        for service in reversed(services):
            service.stop()
        run.release()


def _environment(data: Path, state: runfile.RunState | None) -> dict[str, str]:
    """Return the environment of a command: the running desk's where there is one."""
    ours = {**os.environ, "DESK_DATA": str(data), "DJANGO_SETTINGS_MODULE": "tradingdesk.settings"}
    return {**ours, **(state.environment if state else {})}


def needs_servers(words: list[str]) -> bool:
    """Return whether a command needs PostgreSQL and Redis to be there before it starts.

    Scenarios are played in memory, or with --stack on temporary servers that manage.py starts.
    """
    return words[1:2] != ["manage.py"] or words[2:3] not in (["scenario"], ["codes"], ["help"], [])


def _run(make: Callable[[dict[str, str]], list[str]], environment: dict[str, str]) -> int:
    program, *words = make(environment)
    if program == "python":
        program = sys.executable
        words = [str(ROOT / word) if word == "manage.py" else word for word in words]
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command; we wait for it
    try:
        ended = subprocess.Popen(
            [program, *words],
            env=environment,
            cwd=os.environ.get("DESK_CALLED_FROM") or ROOT,
            preexec_fn=_heed_ctrl_c,
        )
        return ended.wait()
    finally:
        signal.signal(signal.SIGINT, handler)


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def psql(data: Path, words: list[str]) -> int:
    """Open the wheel's psql on the desk's database; the words are its own options."""

    def command(environment: dict[str, str]) -> list[str]:
        return [str(wheel_programs() / "psql"), environment["DATABASE_URL"], *words]

    return execute(data, command)


def main(words: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["exec"] and len(words) > 1:
        return execute(data_folder(), lambda environment: words[1:])
    if words[:1] == ["psql"]:
        return psql(data_folder(), words[1:])
    parser = argparse.ArgumentParser(prog="./desk")
    parts = parser.add_subparsers(dest="command", required=True)
    parts.add_parser("down", help="stop the desk")
    parts.add_parser("status", help="what runs")
    parts.add_parser("restart", help="start the web processes anew, one after the other")
    shown = parts.add_parser("logs", help="what the parts said")
    shown.add_argument(
        "part", nargs="?", help="one of postgres, redis, engine, worker, beat, daphne (daphne-1 ...), feed"
    )
    shown.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    shown.add_argument("-n", "--lines", type=int, default=40, help="so many of the last lines (default 40)")
    arguments = parser.parse_args(words)
    if arguments.command == "logs" and arguments.lines < 0:
        shown.error(f"--lines {arguments.lines} is below 0")
    # `./desk logs | head` reads no further: then we end as every Unix command does, without a traceback.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if arguments.command == "down":
        return down(data_folder())
    if arguments.command == "restart":
        return restart(data_folder())
    if arguments.command == "status":
        return status(data_folder())
    return logs(data_folder(), arguments.part, follow=arguments.follow, lines=arguments.lines)


if __name__ == "__main__":
    sys.exit(main())
