"""A tick's whole life on one screen (rules section 6).

Accounts go by login, orders and positions by ticket. A symbol that a venue executes triggers nothing here;
outside its session a symbol only updates its quote and lets the stop-out look at other symbols' positions.
"""

from engine.core import Core
from engine.stages import pendings, stopout, stops
from engine.stages.triggered import AcceptedTick


def run(core: Core, tick: AcceptedTick) -> None:
    """Let an accepted tick act: pendings collected, exits, pendings activated, stop-out."""
    if not tick.symbol.venue_executed and tick.symbol.in_session(core.state.now_ms):
        collected = pendings.collect(core, tick)
        stops.run(core, tick)
        pendings.activate(core, tick, collected)
    stopout.run(core, tick)
