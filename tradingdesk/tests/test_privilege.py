"""As whom parts run, and which addresses others reach."""

import os
import stat
import sys
from pathlib import Path

import django
import pytest

from tradingdesk import privilege
from tradingdesk.privilege import RootRefused, chosen_account, fault_of, is_loopback, unprivileged_account

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another account")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost", "127.255.255.254"])
def test_loopback_when_of_this_machine_alone_then_so(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.0.2.1", "10.0.0.1", "2001:db8::1", "no.such.host.invalid"]
)
def test_loopback_when_others_may_reach_it_then_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_root_when_the_account_cannot_read_the_clone_then_a_host_beyond_loopback_is_refused(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privilege, "fault_of", lambda *_, **__: "the folder /root is closed to it")
    said: list[str] = []

    with pytest.raises(RootRefused, match=r"--host .* is refused: .* Start it as another user"):
        chosen_account(
            host=host,
            port=8000,
            python=sys.executable,
            root=ROOT,
            data=tmp_path,
            say=said.append,
            warn=said.append,
        )

    assert len(said) == 1
    assert "the parts run as root" in said[0]
    assert "the folder /root is closed to it" in said[0]


def test_root_when_on_loopback_then_said_and_gone_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privilege, "fault_of", lambda *_, **__: "closed")
    said: list[str] = []

    found = chosen_account(
        host="127.0.0.1", port=8000, python=sys.executable, root=ROOT, data=tmp_path, say=said.append,
        warn=said.append,
    )  # fmt: skip

    assert found is None
    assert "the parts run as root (not as" in said[0]


def test_account_when_we_are_not_root_then_none_and_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said: list[str] = []

    found = chosen_account(
        host="0.0.0.0", port=8000, python=sys.executable, root=ROOT, data=tmp_path, say=said.append,
        warn=said.append,
    )  # fmt: skip

    assert (found, said) == (None, [])
    assert unprivileged_account() is None


@as_root
def test_account_when_a_file_of_the_clone_is_closed_then_it_is_named(
    open_folder: Path, python_for_everybody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = unprivileged_account()
    assert account is not None
    clone = open_folder / "clone"
    clone.mkdir()
    (clone / "templates").mkdir()
    (clone / "templates" / "page.html").touch(mode=0o600)

    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{Path(django.__file__).parents[1]}")

    told = fault_of(account, python=python_for_everybody, root=clone, data=open_folder, port=8000)
    (clone / "templates" / "page.html").chmod(0o644)
    then = fault_of(account, python=python_for_everybody, root=clone, data=open_folder, port=8000)

    assert told == f"the file {clone}/templates/page.html is closed to it"
    assert then == ""


@as_root
def test_account_when_the_python_is_closed_then_so_told(open_folder: Path) -> None:
    account = unprivileged_account()
    assert account is not None
    python = open_folder / "python"
    python.touch(mode=0o700)

    assert "closed to it" in fault_of(account, python=str(python), root=ROOT, data=open_folder, port=8000)


@as_root
def test_account_when_the_port_is_roots_then_so_told(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = unprivileged_account()
    assert account is not None
    monkeypatch.setattr(privilege, "_first_open_port", lambda: 1024)

    told = fault_of(account, python=sys.executable, root=ROOT, data=open_folder, port=80)

    assert told == "port 80 is for root alone; choose 1024 or higher"


@as_root
def test_folder_when_lent_then_the_account_makes_files_and_touches_none_of_ours(open_folder: Path) -> None:
    account = unprivileged_account()
    assert account is not None

    account.lend(open_folder / "lent")

    facts = (open_folder / "lent").stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (0, account.gid, 0o1770)
