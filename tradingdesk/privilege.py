"""As whom the parts of the desk run when root starts it, and who reaches them.

Root is needed by none of them: a fault in one that serves the network would be root's fault. Promises: an account is
chosen only after it was tried, by loading the program as it, reading every file of it, and going into the data folder;
what it cannot do is told. It changes nobody's clone: opening somebody's folders is not ours to do.
"""

import ipaddress
import os
import pwd
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Tried in this order.
NAMES = ("tradingdesk", "nobody")
FIRST_OPEN_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
TRY_LIMIT_S = 60
_TRY = """
import os, sys
import celery, channels, daphne, django
django.setup()
for folder, folders, files in os.walk(sys.argv[1]):
    folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
    for name in folders:
        if not os.access(os.path.join(folder, name), os.R_OK | os.X_OK):
            sys.exit(f"the folder {os.path.join(folder, name)} is closed to it")
    for name in files:
        if not name.startswith(".") and not os.access(os.path.join(folder, name), os.R_OK):
            sys.exit(f"the file {os.path.join(folder, name)} is closed to it")
if not os.access(sys.argv[2], os.X_OK):
    sys.exit(f"the data folder {sys.argv[2]} is closed to it")
"""


class RootRefused(Exception):
    """The parts would be root's where others reach them; the text says what would fit."""


@dataclass(frozen=True)
class Account:
    """An account without rights of its own."""

    name: str
    uid: int
    gid: int

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of subprocess.Popen that start a process as it."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def lend(self, folder: Path) -> None:
        """Make a folder in which it may make files, and touch none of ours."""
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, -1, self.gid)
        folder.chmod(0o1770)

    def environment(self, environment: dict[str, str], *, secret_key: str) -> dict[str, str]:
        """Return an environment for it: the key is given, since its file is root's alone."""
        return {
            **environment,
            "SECRET_KEY": secret_key,
            "HOME": "/",
            "USER": self.name,
            "LOGNAME": self.name,
        }


def unprivileged_account() -> Account | None:
    """Return the account for parts when we are root, None when we are not, or there is none."""
    if os.geteuid() != 0:
        return None
    for name in NAMES:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_name, found.pw_uid, found.pw_gid)
    return None


def fault_of(account: Account, *, python: str, root: Path, data: Path, port: int) -> str:
    """Return why the parts cannot run as that account, empty where they can."""
    if port < _first_open_port():
        return f"port {port} is for root alone; choose {_first_open_port()} or higher"
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "tradingdesk.settings",
        "DESK_DATA": str(data),
    }
    try:
        tried = subprocess.run(
            [python, "-c", _TRY, str(root), str(data)], cwd=root, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=TRY_LIMIT_S, check=False, **account.arguments(),
            env=account.environment(environment, secret_key="tried with a key that signs nothing at all"),
        )  # fmt: skip
    except PermissionError:
        return f"{python} or {root} is closed to it"
    except subprocess.TimeoutExpired:
        return f"it had not loaded the program after {TRY_LIMIT_S} s"
    said = tried.stderr.strip().splitlines()
    return "" if tried.returncode == 0 else (said[-1] if said else f"status {tried.returncode}")


def is_loopback(host: str) -> bool:
    """Return whether a server that listens there is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None) if host else []
    except OSError:
        return False
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    return bool(addresses) and all(one.is_loopback for one in addresses)


def chosen_account(
    *,
    host: str,
    port: int,
    python: str,
    root: Path,
    data: Path,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Account | None:
    """Return as whom the parts run, None for as us, and say which it is when root starts them.

    Raises:
        RootRefused: they would run as root on an address that others reach.
    """
    if os.geteuid() != 0:
        return None
    account = unprivileged_account()
    if account is None:
        fault = f"there is no account {' or '.join(NAMES)}"
    else:
        told = fault_of(account, python=python, root=root, data=data, port=port)
        if not told:
            say(f"started by root: the parts run as {account.name}")
            return account
        fault = f"not as {account.name}: {told}"
    warn(f"started by root, and the parts run as root ({fault})")
    if not is_loopback(host):
        raise RootRefused(
            f"--host {host} is refused: others would reach parts that run as root. Start it as another user,"
            " or put clone, Python and data folder where every account may read them"
        )
    return None


def folder_for_beat(folder: Path, account: Account | None) -> Path:
    """Return a folder in which beat may keep its schedule."""
    folder.mkdir(exist_ok=True)
    if account is not None:
        account.lend(folder)
        for left in folder.iterdir():
            if left.lstat().st_uid != account.uid:
                left.unlink()  # of a run as somebody else; beat begins anew
    return folder


def folder_for_ticks(folder: Path, account: Account | None) -> None:
    """Make the folder in which ticks are kept, and let the account go on with what stands there."""
    folder.mkdir(exist_ok=True)
    if account is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, -1, account.gid)
            path.chmod(0o770 if path.is_dir() else 0o660)


def open_to_read(folder: Path) -> None:
    """Let every account read what browsers are given anyway, whatever our umask took away."""
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if path.is_dir() else 0o444))


def _first_open_port() -> int:
    try:
        return int(FIRST_OPEN_PORT.read_text())
    except (OSError, ValueError):
        return 1024
