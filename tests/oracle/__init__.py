"""The naive twin: the whole rulebook written a second time, the slow and obvious way.

It scans every order and position at every tick, computes with exact fractions, keeps no index
and shares no line with the engine. Where both agree on random scenarios, either both are right
or both misread the same sentence; so read it beside docs/trading-rules.md.
"""
