"""`manage.py scenario`: plays scenario files, on the engine alone or through the whole stack.

Exit status 0: all expectations hold; 1: some do not, or the stack failed; 2: a file is not a
valid scenario; 3: a file needs something that is not there yet. The worst of the files counts, in
the order 2, 1, 3, 0. It goes on with the next file after a failure. Ctrl-C or SIGTERM ends it with
status 130 or 143, and nothing that was started is left behind.
"""

import json
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from scenario.backend import Backend, NotOpened
from scenario.engine_backend import EngineBackend
from scenario.format import Scenario, ScenarioError, load
from scenario.runner import Outcome, run
from scenario.scratch import ScratchError, close_scratch
from scenario.stack_backend import StackBackend


def files_of(paths: list[str]) -> Iterator[Path]:
    """Yield the scenario files: folders are searched through, in sorted order."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(path.rglob("*.json"))
        else:
            yield path


class Command(BaseCommand):
    """Play scenario files and report what does not hold."""

    help = "Play scenario files on the engine, or with --stack through queue, worker and database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER")
        parser.add_argument("--stack", action="store_true", help="through database, queue and worker")
        parser.add_argument("--json", action="store_true", help="print the final state of every file as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Play every file and exit with the status that the worst of them has."""
        before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            statuses = [
                self._one(path, stack=options["stack"], as_json=options["json"])
                for path in files_of(options["paths"])
            ]
        except KeyboardInterrupt:
            self.stderr.write("stopped")
            sys.exit(130)
        finally:
            close_scratch()
            signal.signal(signal.SIGTERM, before)
        counts = {status: statuses.count(status) for status in (0, 1, 2, 3)}
        if not options["json"]:
            self.stdout.write(
                f"{len(statuses)} files: {counts[0]} hold, {counts[1]} fail, "
                f"{counts[2]} invalid, {counts[3]} unsupported"
            )
        if not statuses:
            self.stderr.write("no scenario files found")
            sys.exit(2)
        sys.exit(next((status for status in (2, 1, 3) if counts[status]), 0))

    def _one(self, path: Path, *, stack: bool, as_json: bool) -> int:
        try:
            scenario = load(path)
        except ScenarioError as error:
            self.stderr.write(str(error))
            return 2
        try:
            outcome = self._played(scenario, stack=stack)
        except NotOpened as error:
            self.stderr.write(f"{path}: {error}")
            return 2
        except (ScratchError, psycopg.Error, DatabaseError, redis.RedisError) as error:
            # Without a stack nothing holds; the next file gets one of its own.
            self.stderr.write(f"{path}: the stack failed: {str(error).strip() or repr(error)}")
            close_scratch()
            return 1
        if outcome.unsupported is not None:
            self.stderr.write(f"{path}: unsupported: {outcome.unsupported}")
            return 3
        if as_json:
            shown = {key: value for key, value in (outcome.state or {}).items() if key != "requests"}
            self.stdout.write(json.dumps(shown, indent=2))
        for line in outcome.failures:
            self.stderr.write(line)
        return 1 if outcome.failures else 0

    @staticmethod
    def _played(scenario: Scenario, *, stack: bool) -> Outcome:
        backend: Backend = StackBackend(scenario) if stack else EngineBackend(scenario)
        try:
            return run(scenario, backend)
        finally:
            backend.stop()
