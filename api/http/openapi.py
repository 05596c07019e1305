"""What the OpenAPI document says that no view says: refusals, and that bodies have no other fields.

A hook of drf-spectacular, named in the settings. Every address may answer with an error, in its own form. The statuses of codes stand in docs/codes.md; a client that was
made from the document meets none that it cannot read.
"""

import re
from typing import Any

from django.urls import resolve

from live.schema import thing

ERROR = {
    **thing(code="text", message="text", ticket="int?"),
    "description": "Refused: the code says why, the message what was found and what would fit.",
}
ERROR["properties"] = {
    **ERROR["properties"],
    "level": {"type": "integer", "description": "Of a plan whose level is at fault."},
    "current": {"type": "object", "description": "What stands instead of a version that was named."},
}
PLAIN_ERROR = {
    **thing(error="text"),
    "description": "Refused, in the form of the plain trade addresses.",
}
PLAIN_ERROR["properties"] = {
    **PLAIN_ERROR["properties"],
    "code": {"type": "string"},
    "orderId": {"type": "string"},
}
_PARAMETER = re.compile(r"{[^}]*}")


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return the document with closed bodies and with the answer to a refusal at every address."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in schemas.items():
        if name.endswith("Request"):
            schema["additionalProperties"] = False
    schemas["Error"], schemas["PlainError"] = ERROR, PLAIN_ERROR
    for path, operations in result["paths"].items():
        view = resolve(_PARAMETER.sub("1", path)).func
        plain = getattr(getattr(view, "cls", None), "plain_errors", False)
        named = {"$ref": f"#/components/schemas/{'PlainError' if plain else 'Error'}"}
        answer = {"description": "Refused.", "content": {"application/json": {"schema": named}}}
        for operation in operations.values():
            operation["responses"]["default"] = answer
    return result
