"""`python -m benchmarks.direct_orders RATE SECONDS LOGIN...`: market orders through `dealing.services`, without HTTP.

For `benchmarks.api`, in its server's environment: a thread for each login, orders due at a steady pace. Prints as JSON how
long after it was due each one was answered, in seconds, as soon as all are.
"""

import json
import sys

import django

django.setup()

from django.db import connection  # noqa: E402 - after the applications are loaded

from benchmarks.paced import paced  # noqa: E402
from dealing import services  # noqa: E402


def main(argv: list[str]) -> int:
    """Place the orders and print; return 0."""
    rate, seconds, logins = float(argv[0]), float(argv[1]), [int(word) for word in argv[2:]]

    def ask(caller: int) -> str:
        outcome = services.place_order(logins[caller], symbol="EURUSD", type="buy", volume="0.01")
        connection.close()  # to the pool, as at the end of a request
        return outcome.state

    took, states = paced(rate, seconds, len(logins), ask)
    print(json.dumps({"took": took, "states": states}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
