"""One recording from start to end, and what it has seen."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.recorded import sockets
from tests.recorded.pages import Admin, client_pages
from tests.recorded.rest import Walk, note_state
from tests.recorded.story import Story
from tests.recorded.words import SETTLED_S
from tests.recorded.world import World


@dataclass
class Recording:
    """What a recording has asked and seen."""

    answers: int
    operations: int
    models: set[str]
    failures: list[str]
    seconds: float


def record(folder: Path, *, thorough: bool = True) -> Recording:
    """Write a recording into a folder and return what it has seen."""
    began = time.monotonic()
    with World(folder) as world:
        story = Story(world)
        story.tell()
        if thorough:
            note_state(world.owner, "state/after the story")
        walk = Walk(story, thorough=thorough)
        walk.walk()
        if thorough:
            note_state(world.owner, "state/after the addresses")
        sockets.walk(story, thorough=thorough)
        note_state(world.owner, "state/after the sockets")
        note_state(world.other, "state/of the other")
        time.sleep(SETTLED_S)
        client_pages(world)
        admin = Admin(world)
        admin.walk(thorough=thorough)
        return Recording(
            world.notes.count, walk.operations, admin.models, world.notes.failures,
            time.monotonic() - began,
        )  # fmt: skip
