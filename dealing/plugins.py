"""The plugins that the settings name: making them, and what cannot be made.

One that cannot be found, that does not take its options or is no plugin is not asked: that is its failure, counted
and printable like every other, and trading goes on.
"""

from typing import Any

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from engine.asking import named, printable
from engine.enums import HookPoint
from engine.events import HookFailed
from engine.hooks import Plugin, Registration

log = structlog.get_logger(__name__)


def load_plugins() -> tuple[list[Registration], list[HookFailed]]:
    """Return the plugins of the settings, in their order, with their options; and which could not be made."""
    made, failed = _make_all()
    return [registration for registration, _ in made], failed


def named_plugins() -> list[tuple[str, Any]]:
    """Return the plugins that can be made by the names they are kept under, each with its words in the settings."""
    made, _ = _make_all()
    names = named([registration for registration, _ in made])
    return [(registration.name, entry) for registration, (_, entry) in zip(names, made, strict=True)]


def _make_all() -> tuple[list[tuple[Registration, Any]], list[HookFailed]]:
    made: list[tuple[Registration, Any]] = []
    failed: list[HookFailed] = []
    for entry in settings.DESK_PLUGINS:
        try:
            made.append((_made(entry), entry))
        except Exception as error:
            log.exception("a plugin cannot be loaded", plugin=printable(entry))
            failed.append(HookFailed(_name(entry), HookPoint.INIT.value, printable(error)))
    return made, failed


def _made(entry: Any) -> Registration:
    """Return one plugin; options of the settings go to its constructor: what a command sets later outlives them."""
    plugin = import_string(entry["path"])(**entry.get("options", {}))
    if not isinstance(plugin, Plugin):
        raise TypeError(f"{entry['path']} makes no Plugin")
    masks = [entry.get(key, "*") for key in ("groups", "symbols")]
    if not all(isinstance(mask, str) for mask in masks):
        raise TypeError(f"masks are one text with commas, not {masks}")
    return Registration(plugin, masks[0], masks[1], str(entry.get("name", "")))


def _name(entry: Any) -> str:
    """Return by which name a plugin that could not be made is counted: its class, as the settings have it."""
    path = entry.get("path") if isinstance(entry, dict) else entry
    return printable(str(path).rpartition(".")[2]).strip("'\"")[:60] or "?"
