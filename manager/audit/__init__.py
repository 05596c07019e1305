"""The audit: recompute money, volumes, profits, margins and orderings from the rows and name every difference.

It reads only, by SQL over whole tables and, where order matters, by plain Python that shares no formula with
the engine. Promises: a clean book gives an empty list; whoever changes a row without its consequences is found.
It does not judge decisions (whether a stop should have fired): that is the trigger oracle's work in the tests.
"""

from manager.audit.report import Difference, Report, run

__all__ = ["Difference", "Report", "run"]
