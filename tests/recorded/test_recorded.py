"""The recorder in its short form: it visits everything, and nothing that it asks fails on the server's side."""

import json
from pathlib import Path

import pytest
from django.contrib import admin

from tests.recorded.recording import record

pytestmark = pytest.mark.stack


def test_recorder_when_it_runs_then_every_address_and_model_is_visited_and_nothing_fails(
    tmp_path: Path,
) -> None:
    done = record(tmp_path, thorough=False)

    document = json.loads((tmp_path / "openapi.txt").read_text().partition("\n")[2])
    wanted = {
        f"{path.removeprefix('/api/v1/').strip('/').replace('/', '-')} {method.upper()}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    models = {f"/admin/{one._meta.app_label}/{one._meta.model_name}/" for one in admin.site._registry}
    assert done.failures == []
    assert wanted <= {path.stem for path in (tmp_path / "api").iterdir()}
    assert len(wanted) > 30
    assert done.models == models
    assert len(list((tmp_path / "story" / "refused").iterdir())) > 30
