"""The trading rules: ticks and commands in, events out.

Pure Python. It knows no database, no network, no clock and no chance: time comes in as a number, and the
same input gives the same output on every machine. docs/trading-rules.md is what it keeps.
"""
