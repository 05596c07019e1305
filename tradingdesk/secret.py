"""The server's secret key when the environment gives none: made once, kept in the data folder.

It promises that two processes that start together get the same key, and that nobody but the
owner of the folder can read it. It never prints it.
"""

import os
import secrets
from pathlib import Path


def secret_key(data: Path) -> str:
    """Return the key kept in the data folder, making it (and the folder) first where there is none.

    Raises:
        OSError: the folder cannot be written; then SECRET_KEY has to be given.
    """
    path = data / "secret-key"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        draft = data / f"secret-key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)  # fails when another process was first, so that one key wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
