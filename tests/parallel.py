"""`./desk test` in several processes side by side, as a pytest plugin (`-p tests.parallel` in pyproject.toml).

pytest-xdist runs the processes; this says how many (as many as there are cores, at most four), what each takes next,
and what is told meanwhile. It promises that

- each process has a PostgreSQL and a Redis of its own (tests/services.py), and a file's tests stay together in their order;
- on two cores never two of the files run at once whose tests wait for processes by the clock: half of the processes
  take files from the front of one queue, where those stand, the other half from its end;
- a line is printed when a file is done, at once when a test fails, and at least every 30 s.

With paths (`./desk test tests/engine`), with servers that the environment names (everybody would empty the same Redis), or
on one core it is one process, as with plain `python -m pytest`.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.services import SERVICES

MAX_PROCESSES = 4
TOLD_EVERY_S = 30
#: Where tests start servers and browsers and wait for them.
WAITING = (
    "tests/browser/",
    "tests/system/",
    "tests/scenarios/test_stack.py",
    "tests/fuzz/test_stack.py",
    "tests/faults/",
    "tests/formulas/",
    "tests/recorded/",
    "tests/api/",
    "tests/desk/",
)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes `-n auto` means; 0 is this one alone."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    cores = min(len(os.sched_getaffinity(0)), MAX_PROCESSES)
    return cores if everything and SERVICES.are_own and cores > 1 else 0


def place(file: str) -> int:
    """Return the place of a file in the queue: those that wait for processes stand first, small ones in the middle."""
    return next((place for place, start in enumerate(WAITING) if file.startswith(start)), len(WAITING))


class Teller:
    """What is told while several processes run: files that are done, tests that failed, and what takes long."""

    def __init__(self, config: pytest.Config) -> None:
        self.terminal: Any = config.pluginmanager.getplugin("terminalreporter")
        self.is_quiet = config.get_verbosity() <= 0
        self.start_s = self.told_s = time.monotonic()
        self.left: dict[str, int] = {}  # tests of each file that have not ended
        self.outcomes: dict[str, Counter[str]] = {}
        self.began_s: dict[str, float] = {}  # files and tests that run
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        threading.Thread(target=self._tell_what_takes_long, name="teller", daemon=True).start()

    def _tell(self, text: str) -> None:
        self.told_s = time.monotonic()
        minutes, seconds = divmod(int(self.told_s - self.start_s), 60)
        self.terminal.write_line(f"{minutes:3}:{seconds:02} {text}")

    def _tell_what_takes_long(self) -> None:
        while not self.is_over.wait(1):
            with self.lock:
                now_s = time.monotonic()
                if self.left and now_s - self.told_s >= TOLD_EVERY_S and not self.is_over.is_set():
                    tests = [f"{one} ({now_s - s:.0f} s)" for one, s in self.began_s.items() if "::" in one]
                    self._tell(f"... {' and '.join(tests)}; {sum(self.left.values())} tests to go")

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self, report: Any) -> Generator[None, Any, Any]:
        """Keep the reporter's dots back: of several processes they tell nothing."""
        category, letter, word = yield
        return (category, "", "") if self.is_quiet else (category, letter, word)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note when a test, and perhaps its file, began."""
        with self.lock:
            for one in (nodeid, nodeid.partition("::")[0]):
                self.began_s.setdefault(one, time.monotonic())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count what a test did, tell at once when it failed, and its file when that is done."""
        file = report.nodeid.partition("::")[0]
        with self.lock:
            if report.failed:
                self._tell(f"FAILED {report.nodeid} ({report.when})")
            if report.failed or report.when == "call" or report.skipped:
                self.outcomes.setdefault(file, Counter())[report.outcome] += 1
            if report.when == "teardown":
                self.began_s.pop(report.nodeid, None)
                self.left[file] -= 1
                if not self.left[file]:
                    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(self.outcomes[file].items()))
                    self._tell(f"{file}: {counts} in {time.monotonic() - self.began_s.pop(file):.0f} s")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave the rest to the reporter."""
        with self.lock:
            self.is_over.set()


class FromBothEnds(LoadFileScheduling):  # type: ignore[misc]
    """Whole files, from one queue with two ends."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self.teller = Teller(config)
        config.pluginmanager.register(self.teller, "tests.parallel.teller")

    def _assign_work_unit(self, node: Any) -> None:
        if not self.teller.left:
            self.teller.left = {file: len(tests) for file, tests in self.workqueue.items()}
            for file in sorted(self.workqueue, key=lambda file: (place(file), self.teller.left[file])):
                self.workqueue.move_to_end(file)
        if int(node.gateway.id.removeprefix("gw")) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FromBothEnds | None:
    """Return the scheduler of `--dist loadfile`."""
    return FromBothEnds(config, log) if config.getoption("dist") == "loadfile" else None
