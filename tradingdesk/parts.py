"""One supervised process: how it starts, where its words go, when it is started again.

It promises that a part writes its log by itself (a terminal that stands still holds up nobody),
that a part which dies is started again, at once the first time and slower each time it dies
young, and that what a part leaves behind in its process group ends with it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tradingdesk.embedded import dies_with_parent
from tradingdesk.privilege import Account
from tradingdesk.runfile import PartState, born

LOG_LIMIT_BYTES = 10_000_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
OLD_ENOUGH_S = 60.0  # a part that lived so long starts with the first pause again


@dataclass
class Part:
    """A process of the desk.

    launch: starts the process, its output going to the file given. once: it is meant to end.
    stop_limit_s: how long it may take to end by itself after `stop_signal`.
    """

    name: str
    launch: Callable[[int], "subprocess.Popen[bytes]"]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 10.0
    once: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    state: PartState = field(default_factory=PartState)
    pause_s: float = FIRST_PAUSE_S
    due: float = 0.0

    def start(self, log: Path) -> None:
        """Start the process, its words appended to that file."""
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            self.process = self.launch(descriptor)
        finally:
            os.close(descriptor)
        self.state.pid, self.state.born = self.process.pid, born(self.process.pid)
        self.state.state, self.state.since = "running", time.time()

    @property
    def is_running(self) -> bool:
        """Return whether the process is there and has not ended."""
        return self.process is not None and self.process.poll() is None

    def ended(self) -> int | None:
        """Return the exit status when a running part has just ended, else None."""
        if self.state.state != "running" or self.process is None:
            return None
        return self.process.poll()

    def plan_restart(self, now: float) -> float:
        """Note that it died; return in how many seconds it is to be started again."""
        if time.time() - self.state.since > OLD_ENOUGH_S:
            self.pause_s = FIRST_PAUSE_S
        pause, self.pause_s = self.pause_s, min(self.pause_s * 2, LONGEST_PAUSE_S)
        self.due = now + pause
        self.state.state = "died"
        self.state.restarts += 1
        self.end_group()
        return pause

    def end_group(self) -> None:
        """Kill what is left of its process group (pool children that outlived their parent)."""
        if self.state.pid:
            try:
                os.killpg(self.state.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # nothing was left, as it should be

    def ask_to_stop(self) -> None:
        """Send the signal on which it ends cleanly."""
        if self.is_running and self.process is not None:
            self.process.send_signal(self.stop_signal)


def command_part(
    name: str,
    command: list[str],
    *,
    environment: dict[str, str],
    folder: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
    stop_limit_s: float = 10.0,
    once: bool = False,
    answer: Path | None = None,
    account: Account | None = None,
    inherited: tuple[int, ...] = (),
) -> Part:
    """Return a part that runs a command in a session of its own, which ends when we end.

    answer: a file for its standard output, when that is not a log. account: as whom it runs, when not as us.
    inherited: descriptors of ours that it gets.
    """

    def launch(output: int) -> "subprocess.Popen[bytes]":
        told = answer.open("wb") if answer else None
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=told or output,
                stderr=output,
                cwd=folder,
                env=environment,
                start_new_session=True,
                pass_fds=inherited,
                preexec_fn=dies_with_parent(stop_signal),
                **(account.arguments() if account else {}),
            )
        finally:
            if told:
                told.close()

    return Part(name, launch, stop_signal, stop_limit_s, once)


class LogTail:
    """What has come into a log file since the last look, line by line."""

    def __init__(self, path: Path) -> None:
        """Begin at the present end of the file."""
        self.path = path
        self.offset = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_lines(self) -> list[str]:
        """Return the complete lines since the last call; rotate the file when it has grown large."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return []
        if size < self.offset:
            self.offset = 0
        if size == self.offset:
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            block = file.read(1_000_000)
        self.offset += len(block)
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        if self.offset > LOG_LIMIT_BYTES:
            self._rotate()
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def _rotate(self) -> None:
        """Keep one older file; the writer appends, so emptying the file under it is safe.

        On a disk that is full the older file goes without a successor: what is needed then is room.
        """
        older = self.path.with_suffix(".log.1")
        try:
            older.write_bytes(self.path.read_bytes())
        except OSError:
            older.unlink(missing_ok=True)
        os.truncate(self.path, 0)
        self.offset = 0
