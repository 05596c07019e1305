"""The desk: journal in, engine, rows out. The only writer of trading rows."""
