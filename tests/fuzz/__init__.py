"""Random scenarios against the naive twin: seeded markets, seeded steps, comparison, shrinking."""
