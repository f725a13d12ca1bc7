"""What an import costs: packages that take long are imported by who needs them, when they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["perdure", "perdure.cli", "worker"])
def test_an_import_brings_no_package_that_only_some_runs_need(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"openai", "opentelemetry", "httpx", "sqlalchemy", "litellm", "starlette"} & set(done.stdout.split())
