"""What answers look like, for the OpenAPI document: one word a field.

    thing(ticket="int", price="decimal?", levels=[LEVEL])

Words: int, text, decimal (text), number (a JSON number), time (ISO 8601), flag, any; a `?` behind it allows null.
A mapping is an object of its own, a list with one entry a list of it. A test compares answers with this.
"""

from typing import Any

_WORDS: dict[str, dict[str, Any]] = {
    "int": {"type": "integer", "format": "int64"},
    "text": {"type": "string"},
    "decimal": {"type": "string", "format": "decimal"},
    "number": {"type": "number"},
    "time": {"type": "string", "format": "date-time"},
    "flag": {"type": "boolean"},
}

Schema = dict[str, Any]


def thing(**fields: Any) -> Schema:
    """Return the schema of an object that always has these fields."""
    return {
        "type": "object",
        "properties": {name: _schema(word) for name, word in fields.items()},
        "required": list(fields),
    }


def extended(schema: Schema, **fields: Any) -> Schema:
    """Return the schema of an object with more fields."""
    more = thing(**fields)
    return {
        "type": "object",
        "properties": {**schema["properties"], **more["properties"]},
        "required": [*schema["required"], *more["required"]],
    }


def page_of(schema: Schema) -> Schema:
    """Return the schema of a page of a list."""
    return thing(results=[schema], next="text?")


def _schema(word: Any) -> Schema:
    if isinstance(word, dict):
        return word
    if isinstance(word, list):
        return {"type": "array", "items": _schema(word[0])}
    if word.rstrip("?") == "any":
        return {}
    found = dict(_WORDS[word.rstrip("?")])
    if word.endswith("?"):
        found["nullable"] = True
    return found


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {**schema, "nullable": True}
