"""Measurements as commands: each prints what it measured and exits 1 when a promise is broken."""
