"""The server's secret key when the environment gives none: made once, kept in the data folder.

It promises that two processes that start together get the same key, that nobody but the
owner of the folder can read it, and that one which can be guessed is not used. It never prints it.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

MIN_CHARACTERS = 32


class KeyTooShort(ValueError):
    """A secret key that can be guessed; the text says whose it is and what would fit."""


def checked(key: str, place: str) -> str:
    """Return the key that `place` holds.

    Raises:
        KeyTooShort: it has fewer than 32 characters.
    """
    if len(key.strip()) < MIN_CHARACTERS:
        raise KeyTooShort(
            f"{place} has {len(key.strip())} characters: sessions and tokens are signed with it, so at least"
            f" {MIN_CHARACTERS} by chance are needed, such as python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return key


def key_of(environment: Mapping[str, str], data: Path) -> str:
    """Return the key that the environment names, else the one kept in the data folder.

    Raises:
        KeyTooShort: it has fewer than 32 characters.
        OSError: the folder cannot be written; then SECRET_KEY has to be given.
    """
    given = environment.get("SECRET_KEY", "")
    return checked(given, "SECRET_KEY") if given else checked(secret_key(data), str(data / "secret-key"))


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
