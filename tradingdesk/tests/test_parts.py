"""Parts without the rest: pauses between restarts, logs that rotate, the run file of a crashed start."""

import os
import signal
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

from tradingdesk import parts, runfile
from tradingdesk.console import Console
from tradingdesk.parts import LogTail, Part, command_part
from tradingdesk.runfile import AlreadyRunning, PartState, RunFile
from tradingdesk.supervisor import Supervisor


def sleeper(folder: Path, *, answer: Path | None = None, code: str = "import time; time.sleep(60)") -> Part:
    return command_part(
        "sleeper", [sys.executable, "-c", code], environment=dict(os.environ), folder=folder, answer=answer
    )


def test_pause_when_a_part_keeps_dying_then_it_doubles_up_to_half_a_minute(tmp_path: Path) -> None:
    part = sleeper(tmp_path, code="")
    part.start(tmp_path / "log")

    pauses = [part.plan_restart(0.0) for _ in range(9)]

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert part.state.restarts == 9


def test_pause_when_a_part_lived_long_then_it_is_the_first_again(tmp_path: Path) -> None:
    part = sleeper(tmp_path, code="")
    part.start(tmp_path / "log")
    part.plan_restart(0.0)
    part.state.since = time.time() - parts.OLD_ENOUGH_S - 1

    assert part.plan_restart(0.0) == 0.5


def test_part_when_it_answers_then_the_answer_is_apart_from_the_log(tmp_path: Path) -> None:
    part = sleeper(
        tmp_path,
        answer=tmp_path / "answer",
        code="import sys; print('said'); print('noted', file=sys.stderr)",
    )
    part.start(tmp_path / "log")
    assert part.process is not None
    part.process.wait()

    assert (tmp_path / "answer").read_text() == "said\n"
    assert (tmp_path / "log").read_text() == "noted\n"


def test_tail_when_lines_come_in_pieces_then_only_whole_ones_are_told(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\n")
    tail = LogTail(log)

    with log.open("a") as file:
        file.write("one\ntw")
        file.flush()
        first = tail.new_lines()
        file.write("o\n")
    second = tail.new_lines()

    assert (first, second) == (["one"], ["two"])


def test_tail_when_the_log_has_grown_large_then_it_is_rotated_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LOG_LIMIT_BYTES", 100)
    log = tmp_path / "a.log"
    tail = LogTail(log)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # as a part holds it
    told: list[str] = []

    for number in range(50):
        os.write(descriptor, f"line {number}\n".encode())
        told += tail.new_lines()
    os.close(descriptor)

    assert told == [f"line {number}" for number in range(50)]
    assert log.stat().st_size <= 110
    assert (tmp_path / "a.log.1").exists()


def test_runfile_when_held_then_a_second_holder_is_refused_with_its_name(tmp_path: Path) -> None:
    first = RunFile(tmp_path)
    first.state.address = "http://127.0.0.1:8000"
    first.write()

    with pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()}, http://127\.0\.0\.1:8000"):
        RunFile(tmp_path)

    first.release()
    RunFile(tmp_path).release()


def test_leftovers_when_pid_and_start_time_fit_then_ended_and_no_other_process(tmp_path: Path) -> None:
    ours, other = sleeper(tmp_path), sleeper(tmp_path)
    for part in (ours, other):
        part.start(tmp_path / "log")
    crashed = RunFile(tmp_path)
    crashed.state.parts = {
        "ours": ours.state,
        "reused": PartState(pid=other.state.pid, born=other.state.born - 1, state="running"),
        "gone": PartState(pid=2**22 - 1, born=5, state="running"),
    }
    crashed.write()
    crashed._lock.close()
    try:
        assert RunFile(tmp_path).end_left_over(limit_s=5) == ["ours"]

        assert ours.process is not None and ours.process.wait(5) == -signal.SIGTERM
        assert other.is_running
    finally:
        other.end_group()
        ours.end_group()


def test_runfile_when_cut_off_by_a_crash_then_read_as_absent(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "desk.json").write_text('{"pid": 1, ')

    assert runfile.read(tmp_path) is None
    assert runfile.running(tmp_path) is None


def test_supervisor_when_the_disk_takes_nothing_then_parts_are_started_again_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(Namespace(), tmp_path, Console(quiet=True))
    part = supervisor._add(sleeper(tmp_path))
    assert part.process is not None
    first = part.process.pid
    hindrance = supervisor.run.folder / "desk.json.new"
    hindrance.mkdir()
    os.kill(first, signal.SIGKILL)
    part.process.wait()

    end = time.monotonic() + 20
    while not (part.is_running and part.process.pid != first) and time.monotonic() < end:
        supervisor.look()
    assert part.is_running and part.process.pid != first
    supervisor.look()
    hindrance.rmdir()
    supervisor.look()

    state = runfile.read(tmp_path)
    assert state is not None and state.parts["sleeper"].pid == part.process.pid
    told = capsys.readouterr()
    assert (told.out + told.err).count("cannot be written") == 1
    part.end_group()
    part.process.wait()
    supervisor.run.release()


def test_log_when_it_is_too_large_and_there_is_no_room_for_the_older_one_then_it_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "part.log"
    tail = LogTail(log)
    (tmp_path / "part.log.1").symlink_to("/dev/full")
    log.write_text("a line that is long\n")

    assert tail.new_lines() == ["a line that is long"]
    assert log.stat().st_size == 0
    assert not (tmp_path / "part.log.1").is_symlink()
