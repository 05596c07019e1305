"""A wrong clock for one process: faketime where it is installed (package `faketime` of Debian), else the desk's own setting.

With faketime the wall's clock can be moved while the process runs; passing time is left alone. The setting
`DESK_CLOCK_OFFSET_MS` is read at the start only.
"""

import shutil
from pathlib import Path

_FOLDERS = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")


def library() -> Path | None:
    """Return faketime's library for threaded programs, None where it is not installed."""
    if shutil.which("faketime") is None:
        return None
    found = [Path(folder) / "libfaketimeMT.so.1" for folder in _FOLDERS]
    return next((path for path in found if path.exists()), None)


class Clock:
    """The wall's clock of the processes that are given `variables`."""

    def __init__(self, path: Path) -> None:
        """Keep how wrong it is in a file; it begins right."""
        self.path = path
        self.offset_s = 0
        self.set(0)

    def set(self, offset_s: int) -> None:
        """Move it so many seconds ahead of the truth, below 0 behind it."""
        self.offset_s = offset_s
        new = self.path.with_suffix(".new")
        new.write_text(f"{offset_s:+d}s\n")
        new.replace(self.path)

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment of a process that goes by it."""
        found = library()
        if found is None:
            return {"DESK_CLOCK_OFFSET_MS": str(self.offset_s * 1000)}
        return {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
