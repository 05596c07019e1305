"""Faults: real servers, real desks and clients, and what breaks them, again and again.

`python -m tests.faults --help`. Orders, plans, closes and money stream from several clients while desks are killed
and paused, PostgreSQL is stopped in the middle, answers are lost, disks fill up and Redis forgets everything. Every
acknowledgement is kept outside; after every round of faults rows, logs and recorded ticks have to agree. It
touches only processes that it started itself, on the loopback address, in a temporary folder.
"""
