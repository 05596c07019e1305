"""Symbols, securities, sessions, quotes and candles: what can be traded and what it costs now."""
