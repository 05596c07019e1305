"""The REST API: `http/` is what all of it shares, `v1/` its resources, trade.py the plain trade addresses."""
