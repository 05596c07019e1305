"""The first statement of a batch is the fence: behind it everything is written, before it nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dealing import lease
from dealing.batch import Batch, CommandResult, Committed, HaltTurned, commit
from dealing.changes import Changes, Pending
from dealing.lease import Lease, LeaseLost
from dealing.models import Command, EngineBatch, EngineControl, EngineShard, Outbox
from engine.events import CommandDone
from engine.state import State
from tests.desk.conftest import LOGIN, World


@pytest.fixture
def held(world: World) -> Iterator[Lease]:
    """Return the lease of shard 0."""
    taken = lease.take(0)
    assert taken is not None
    yield taken
    taken.close()


@pytest.fixture
def batch() -> Batch:
    """Return a batch that moves the cursor and publishes an event."""
    changes = Changes(state=State())
    changes.outbox.append(Pending(0, 0, "dealers", 1, {"names": []}))
    return Batch(changes, "7-0", 3)


def write(held: Lease, batch: Batch) -> Committed:
    return commit(held, batch, batch.changes.state, published=0, books=[])


def assert_untouched() -> None:
    """Check that no batch has left anything."""
    row = EngineShard.objects.get(shard=0)
    assert (row.seq, row.tick_cursor, row.tick_offset) == (0, "0-0", 0)
    assert not EngineBatch.objects.exists()
    assert not Outbox.objects.exists()


def test_batch_when_the_lease_is_ours_then_the_cursor_moves_with_its_rows(held: Lease, batch: Batch) -> None:
    committed = write(held, batch)

    row = EngineShard.objects.get(shard=0)
    assert (row.seq, row.tick_cursor, row.tick_offset) == (committed.seq, "7-0", 3) == (1, "7-0", 3)
    assert (EngineBatch.objects.get().epoch, Outbox.objects.count()) == (held.epoch, 1)


@pytest.mark.parametrize("moved", [1, -1])
def test_batch_when_the_epoch_is_another_then_nothing_is_written(
    held: Lease, batch: Batch, moved: int
) -> None:
    EngineShard.objects.filter(shard=0).update(epoch=held.epoch + moved)

    with pytest.raises(LeaseLost):
        write(held, batch)

    assert_untouched()


def test_batch_when_the_kill_switch_was_turned_meanwhile_then_nothing_is_written(
    held: Lease, batch: Batch
) -> None:
    EngineControl.objects.update(halt_level="halt")

    with pytest.raises(HaltTurned, match="halt"):
        write(held, batch)

    assert_untouched()


def test_batch_when_it_answers_a_command_that_has_its_outcome_then_nothing_is_written(
    held: Lease, batch: Batch
) -> None:
    row = Command.objects.create(
        shard=0, login=LOGIN, name="CancelOrder", payload={}, status="done", code="fifo", done_at=datetime.now(UTC)
    )  # fmt: skip
    batch.answers.append(CommandResult(row.pk, CommandDone("")))

    with pytest.raises(LeaseLost):
        write(held, batch)

    assert_untouched()
    assert Command.objects.get().code == "fifo"


def test_take_when_the_shard_is_free_again_then_the_epoch_rises(world: World) -> None:
    epochs = []
    for _ in range(3):
        taken = lease.take(0)
        assert taken is not None
        epochs.append(taken.epoch)
        taken.release()

    assert epochs == [1, 2, 3]
