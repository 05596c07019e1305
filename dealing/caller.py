"""Who asks the desk for something: what every command carries beside what it asks for.

Each door makes one value of each request (`api.http.fields.caller_of`, `manager.admin.acting.act`, a mass action, a
command line) and hands it on; nothing below takes it apart but the services, which write it into command and journal row.
"""

from dataclasses import dataclass

from engine.enums import By


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, on whose authority, in which words, under which key, and how long for the answer.

    by: the authority for orders, positions and plans; what only managers can ask for (money, switches, settings, the
    dealers' queue) is theirs whatever it says.
    client_id: of an account, or of the back office, one acts once; "" for none.
    wait_s: seconds to wait for the desk; 0 returns as soon as the journal has the row.
    at_ms: the time of the request for desks that go by the events' own times, None on the wall's clock.
    """

    by: By = By.CLIENT
    actor: str = ""
    comment: str = ""
    client_id: str = ""
    wait_s: float = 5
    at_ms: int | None = None


#: A call that says nothing of itself.
UNNAMED = Caller()
