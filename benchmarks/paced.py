"""Requests that are due at a steady pace, and how long after that each was answered."""

import threading
import time
from collections import Counter
from collections.abc import Callable

LEAD_S = 0.5


def paced(
    rate: float, seconds: float, callers: int, ask: Callable[[int], str]
) -> tuple[list[float], dict[str, int]]:
    """Ask `rate` times a second, the callers by turns; return how long each took from when it was due, and the answers.

    A caller whose answer is late sends its next request late, and that counts as waiting, too.
    """
    took: list[float] = []
    answers: Counter[str] = Counter()
    lock = threading.Lock()
    total = int(rate * seconds)
    start = time.monotonic() + LEAD_S

    def caller(number: int) -> None:
        for place in range(number, total, callers):
            due = start + place / rate
            time.sleep(max(0.0, due - time.monotonic()))
            answer = ask(number)
            with lock:
                took.append(time.monotonic() - due)
                answers[answer] += 1

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, dict(answers)
