"""What the whole server answers, written to files: `python -m tests.recorded OUT_DIR`.

A stack of its own is started, filled with a fixed world and asked for everything: each address of the OpenAPI document
with good and bad input as every kind of caller, each kind of WebSocket message, each page of the admin as each role.
Times, tokens, keys and ports are replaced by what they are, so two recordings of the same code are equal, and
`diff -r BEFORE AFTER` says what a change of the code's structure has changed of its behaviour. A recording that spans a day end
(midnight UTC) is not comparable.

It goes by addresses and by settings' rows, not by the modules that answer, so that it can be copied into an older tree.
"""
