"""The OpenAPI document: every answer has exactly the fields that it says, of the types that it says."""

import json
from typing import Any

import pytest

from tests.api.test_routes import TABLE, filled, owner, things

__all__ = ["owner", "things"]  # fixtures
pytestmark = pytest.mark.stack

ROWS = [row for row in TABLE if row.owner in (200, 201) and row.name not in ("api-schema", "api-docs")]
TYPES = {
    "integer": int,
    "string": str,
    "boolean": bool,
    "number": (int, float),
    "array": list,
    "object": dict,
}


@pytest.fixture(scope="module")
def document(world) -> dict[str, Any]:
    answer = world.client_of(world.logins["hedging"][0]).get("/api/v1/schema/?format=json")
    assert answer.status == 200
    return json.loads(answer.raw)


def faults(value: Any, schema: dict[str, Any], where: str) -> list[str]:
    """Return where a value is not what the schema says."""
    if not schema:
        return []
    if value is None:
        return [] if schema.get("nullable") else [f"{where}: null"]
    if not isinstance(value, TYPES[schema["type"]]) or (
        schema["type"] != "boolean" and isinstance(value, bool)
    ):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if schema["type"] == "array":
        return [
            fault for i, one in enumerate(value) for fault in faults(one, schema["items"], f"{where}[{i}]")
        ]
    found = []
    if schema["type"] == "object" and "properties" in schema:
        named = set(schema["properties"])
        found = [f"{where}: {key} is not described" for key in set(value) - named]
        found += [f"{where}: {key} is missing" for key in named - set(value)]
        for key in named & set(value):
            found += faults(value[key], schema["properties"][key], f"{where}.{key}")
    return found


def matching(names: Any, path: str) -> str:
    """Return the described path that an address is of, the most literal one."""

    def fits(name: str) -> bool:
        described, wanted = name.strip("/").split("/"), path.strip("/").split("/")
        pairs = zip(described, wanted, strict=False)
        return len(described) == len(wanted) and all("{" in one or one == other for one, other in pairs)

    return min((name for name in names if fits(name)), key=lambda name: name.count("{"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_answer_when_compared_with_the_document_then_the_same_fields(world, owner, things, document, row):
    described = document["paths"][matching(document["paths"], "/api/v1/" + row.path.partition("?")[0])]
    answers = described[row.method.lower()]["responses"]
    schema = next(iter(answers[str(row.owner)]["content"].values()))["schema"]

    if row.name == "api-logout":
        owner = world.anew(owner)
    answer = owner.request(row.method, "/api/v1/" + filled(row.path, things), filled(row.body, things))

    assert answer.status == row.owner, answer
    assert faults(answer.body, schema, "") == []
