"""The settings as a deployment uses them, and the secret key that is made when none is given."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tradingdesk.secret import KeyTooShort, key_of, secret_key

ROOT = Path(__file__).resolve().parents[2]


def test_settings_when_behind_tls_then_django_finds_nothing_to_complain_about() -> None:
    environment = {
        **os.environ,
        "HTTPS": "1",
        "ALLOWED_HOSTS": "desk.example",
        "SECRET_KEY": "".join(map(chr, range(40, 120))),
    }

    told = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("key", ["short", "x" * 31, " " * 40, "y" * 31 + " "])
def test_key_when_below_32_characters_then_refused_with_what_would_fit(tmp_path: Path, key: str) -> None:
    environment = {**os.environ, "SECRET_KEY": key, "DESK_DATA": str(tmp_path)}

    told = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode != 0
    assert f"SECRET_KEY has {len(key.strip())} characters" in told.stderr
    assert "at least 32 by chance are needed" in told.stderr


def test_key_when_the_kept_one_is_short_then_its_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("short")

    with pytest.raises(KeyTooShort, match=f"{tmp_path}/secret-key has 5 characters"):
        key_of({}, tmp_path)


def test_key_when_it_has_32_characters_then_taken(tmp_path: Path) -> None:
    assert key_of({"SECRET_KEY": "x" * 32}, tmp_path) == "x" * 32
    assert not list(tmp_path.iterdir())


def test_key_when_made_then_kept_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = secret_key(tmp_path / "data")

    assert len(first) > 60
    assert secret_key(tmp_path / "data") == first
    assert secret_key(tmp_path / "other") != first
    assert stat.S_IMODE((tmp_path / "data" / "secret-key").stat().st_mode) == 0o600


def test_key_when_many_processes_start_together_then_all_get_the_same(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from tradingdesk.secret import KeyTooShort, key_of, secret_key; print(secret_key(Path(sys.argv[1])))"
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "data")], cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(6)
    ]

    keys = {start.communicate()[0] for start in starts}

    assert len(keys) == 1
    assert keys != {b""}
