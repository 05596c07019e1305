"""The run file: who runs in a data folder, where, and which processes it started.

DESK_DATA/run/desk.json, held under a lock by the running supervisor. It promises that two
supervisors never hold one data folder, that a lock dies with its holder, and that a start after
a crash finds what the crashed one left running. It holds passwords, so only its owner may read it.
"""

import fcntl
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class AlreadyRunning(Exception):
    """Another supervisor holds this data folder; the text names it."""


@dataclass
class PartState:
    """What the run file tells of one process."""

    pid: int = 0
    born: int = 0  # the kernel's start time of the process, so that a reused pid is not mistaken for it
    state: str = "waiting"
    since: float = 0.0
    restarts: int = 0


@dataclass
class RunState:
    """The whole content of the run file."""

    pid: int = 0
    born: int = 0
    since: float = 0.0
    address: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    parts: dict[str, PartState] = field(default_factory=dict)
    web: dict[str, str] = field(default_factory=dict)  # where each web process alone answers
    logins: str = ""


def born(pid: int) -> int:
    """Return the kernel's start time of a process in clock ticks, 0 when there is no such process."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(line.rpartition(")")[2].split()[19])


def is_alive(pid: int, started: int) -> bool:
    """Return whether the very process that had that start time still runs (a zombie does not)."""
    if pid <= 0 or born(pid) != started or started == 0:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def read(data: Path) -> RunState | None:
    """Return what the run file says, None when there is none or a crash cut it off."""
    try:
        raw: dict[str, Any] = json.loads((data / "run" / "desk.json").read_text())
    except (OSError, ValueError):
        return None
    raw["parts"] = {name: PartState(**part) for name, part in raw.get("parts", {}).items()}
    return RunState(**raw)


def running(data: Path) -> RunState | None:
    """Return the state of the supervisor that runs in this data folder, None when none does."""
    state = read(data)
    return state if state is not None and is_alive(state.pid, state.born) else None


class RunFile:
    """The run file as its holder sees it."""

    def __init__(self, data: Path) -> None:
        """Take the lock of that data folder.

        Raises:
            AlreadyRunning: somebody holds it.
        """
        self.folder = data / "run"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = read(data)
            told = f"pid {holder.pid}, {holder.address}" if holder else "its pid is not known yet"
            self._lock.close()
            raise AlreadyRunning(
                f"the desk already runs in {data} ({told}); stop it with ./desk down"
            ) from None
        self.left_over = read(data)
        self.state = RunState(pid=os.getpid(), born=born(os.getpid()), since=time.time())

    def write(self) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        draft = self.folder / "desk.json.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self.state), indent=1))
        draft.replace(self.folder / "desk.json")

    def end_left_over(self, limit_s: float = 10.0) -> list[str]:
        """End the processes that a crashed supervisor left running; return their names.

        Only processes that the run file names are touched, and only while pid and start time
        both fit; each leads a process group of its own, which ends with it.
        """
        parts = self.left_over.parts if self.left_over else {}
        alive = {name: part for name, part in parts.items() if is_alive(part.pid, part.born)}
        for part in alive.values():
            os.kill(part.pid, signal.SIGTERM)
        end = time.monotonic() + limit_s
        while time.monotonic() < end and any(is_alive(part.pid, part.born) for part in alive.values()):
            time.sleep(0.1)
        for part in alive.values():
            if is_alive(part.pid, part.born):
                os.killpg(part.pid, signal.SIGKILL)
        return sorted(alive)

    def release(self) -> None:
        """Remove the file and let go of the lock."""
        (self.folder / "desk.json").unlink(missing_ok=True)
        self._lock.close()
