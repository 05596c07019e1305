"""Token buckets: how often one caller may ask."""

from api.http.limits import MAX_CALLERS, Buckets, OwnTable


def test_caller_when_burst_is_used_up_then_waits_for_the_next_token():
    buckets = Buckets(per_s=2, burst=3)

    waits = [buckets.take("a", now_s=0.0) for _ in range(4)]

    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits[3] == 0.5
    assert buckets.take("a", now_s=0.5) == 0.0


def test_caller_when_another_is_over_the_limit_then_not_concerned():
    buckets = Buckets(per_s=1, burst=1)
    buckets.take("a", now_s=0.0)

    assert buckets.take("a", now_s=0.0) > 0
    assert buckets.take("b", now_s=0.0) == 0.0


def test_callers_when_there_are_many_then_memory_is_bounded():
    buckets = Buckets(per_s=1, burst=1)

    for number in range(MAX_CALLERS + 50):
        buckets.take(str(number), now_s=0.0)

    assert isinstance(buckets._table, OwnTable)
    assert len(buckets._table) == MAX_CALLERS
