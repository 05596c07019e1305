"""Positions and deals: what was done and what is held."""
