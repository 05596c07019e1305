"""A real nginx in front of a server, for tests: its own folder, its own ports, in the foreground.

`proxies` of them stand in a row, each in the usual way: it appends the address that it was called from to
X-Forwarded-For. It promises to end what it started.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

from tradingdesk.embedded import free_port, port_open

READY_S = 10.0
PROGRAM = "/usr/sbin/nginx"  # where a path of a user without rights often does not lead
CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    {servers}
}}
"""
SERVER = "server {{ listen 127.0.0.1:{port}; {ipv6} location / {{ proxy_pass http://127.0.0.1:{behind}; }} }}"


def program() -> str:
    """Return the path of nginx; skip the test, and say why, where there is none."""
    found = shutil.which("nginx") or (PROGRAM if os.access(PROGRAM, os.X_OK) else None)
    if found is None:
        pytest.skip("there is no nginx on this machine (apt-get install nginx-light)")
    return found


class Nginx:
    """The proxies in front of `behind`, a local port; `ports` are theirs, the outermost first."""

    def __init__(self, folder: Path, behind: int, *, proxies: int = 1) -> None:
        self.program = program()
        self.folder = folder
        self.ports = [free_port() for _ in range(proxies)]
        self.behind = behind
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Return the outermost port, which callers use."""
        return self.ports[0]

    def __enter__(self) -> Self:
        """Start it, and return when it takes connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        has_ipv6 = Path("/proc/net/if_inet6").exists() and Path("/proc/net/if_inet6").read_text().strip()
        following = [*self.ports[1:], self.behind]
        servers = [
            SERVER.format(port=port, behind=next_port, ipv6=f"listen [::1]:{port};" if has_ipv6 else "")
            for port, next_port in zip(self.ports, following, strict=True)
        ]
        path = self.folder / "nginx.conf"
        path.write_text(
            CONFIGURATION.format(
                folder=self.folder, servers="\n".join(servers), user="user root;" if os.geteuid() == 0 else ""
            )
        )
        self.process = subprocess.Popen(
            [self.program, "-p", str(self.folder), "-c", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + READY_S
        while not all(port_open(port) for port in self.ports):
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                pytest.fail(f"nginx did not start: {(self.folder / 'error.log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
