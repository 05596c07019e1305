"""Worked cases of the rulebook as files, and what runs them."""
