"""The attackers of the benchmark: bounded, on this machine only, and ended by themselves."""

import json
import subprocess
import sys
import time

import pytest

from benchmarks.attackers import KINDS, TARGET, words
from tests.api.http.conftest import ROOT
from tradingdesk.embedded import free_port


def attack(*given: str, tokens: str = '{"tokens": []}') -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.attackers", *given],
        cwd=ROOT, input=tokens, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [["unknown", "8000", "601"], ["unknown", "8000", "0"], ["unknown", "80", "1"], ["what", "8000", "1"]],
)
def test_attackers_when_asked_for_too_much_then_refuse(given: list[str]) -> None:
    with pytest.raises(SystemExit):
        list(words(given))


def test_attackers_when_their_time_is_over_then_end_and_tell() -> None:
    assert TARGET == "127.0.0.1"
    port = str(free_port())
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.attackers", "sink", port, "4"], cwd=ROOT
    ) as sink:
        time.sleep(1)
        begun = time.monotonic()
        done = attack("unknown", port, "1")

        assert done.returncode == 0, done.stderr
        assert time.monotonic() - begun < 10
        told = json.loads(done.stdout)
        assert told["200"] > KINDS["unknown"].rate // 4
        assert set(told) <= {"200", "waited"}
        assert sink.wait(30) == 0
