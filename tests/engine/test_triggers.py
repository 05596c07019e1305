"""The ladder of ordered levels against its naive twin, which looks at every level on every tick."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.triggers import Cross, Ladder

LEVELS = st.integers(min_value=-20, max_value=120)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), st.sampled_from(list(Cross)), LEVELS, st.integers(0, 30)),
        st.tuples(st.just("drop"), st.integers(0, 30)),
        st.tuples(st.just("quote"), LEVELS, st.integers(0, 5)),
    ),
    max_size=120,
)


class Naive:
    """All levels in a list."""

    def __init__(self) -> None:
        self.levels: list[tuple[Cross, int, int]] = []

    def due(self, bid: int, ask: int) -> set[int]:
        reached = {
            Cross.BID_UP: lambda level: bid >= level,
            Cross.BID_DOWN: lambda level: bid <= level,
            Cross.ASK_UP: lambda level: ask >= level,
            Cross.ASK_DOWN: lambda level: ask <= level,
        }
        found = {key for cross, level, key in self.levels if reached[cross](level)}
        self.levels = [entry for entry in self.levels if not reached[entry[0]](entry[1])]
        return found


@given(ACTIONS)
@settings(max_examples=300, deadline=None)
def test_ladder_when_driven_at_random_then_it_finds_what_a_scan_finds(actions: list[tuple]) -> None:
    gens: dict[int, int] = {}
    ladder = Ladder(lambda key, gen: gens.get(key) == gen)
    ladder.limits = [4] * 4  # sweep often
    naive = Naive()

    for action in actions:
        if action[0] == "arm":
            _, cross, level, key = action
            gens.setdefault(key, 0)
            ladder.arm(cross, level, key, gens[key])
            naive.levels.append((cross, level, key))
        elif action[0] == "drop":
            gens[action[1]] = gens.get(action[1], 0) + 1
            naive.levels = [entry for entry in naive.levels if entry[2] != action[1]]
        else:
            _, bid, spread = action
            assert ladder.due(bid, bid + spread) == naive.due(bid, bid + spread)


def test_ladder_when_levels_are_dropped_then_the_dead_are_swept() -> None:
    alive: set[int] = set()
    ladder = Ladder(lambda key, gen: key in alive)

    for key in range(20_000):
        ladder.arm(Cross.BID_UP, 1_000_000 + key, key, 0)

    assert len(ladder.heaps[Cross.BID_UP]) < 2_100
