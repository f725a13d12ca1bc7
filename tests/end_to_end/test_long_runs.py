"""A long run on a server of one's own: with a blob store it is endless, without one it says what it lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perdure.server import ensure_server
from tests.end_to_end.long_script import PAGES

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]


def told(**environment: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.end_to_end.long_script"]
    known = {**os.environ, "TEMPORAL_ADDRESS": ensure_server().address, **environment}
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_a_blob_store_a_run_goes_on_in_its_history_and_says_what_it_lacks() -> None:
    said = told()
    assert (said["end"], said["items"]) == ("done", 2 * PAGES + 1)
    assert any("Set PERDURE_BLOBS" in text for text in said["warnings"])


def test_with_a_shared_directory_it_goes_on_in_new_histories(tmp_path: Path) -> None:
    said = told(PERDURE_BLOBS=str(tmp_path))
    assert (said["end"], said["items"], said["warnings"]) == ("done", 2 * PAGES + 1, [])
    assert said["histories"] >= 4
    assert any(tmp_path.rglob("*"))
