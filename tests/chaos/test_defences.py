"""Each defence is needed: with one of them switched off, the tests fail that say what it is for."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SWITCHES = Path(__file__).with_name("without")

WHAT_FAILS = {
    "key": ["tests/workflows/test_once.py", "-k", "first_result_answers_every_later_call or reset_does_not_repeat"],
    "carry-over": ["tests/workflows/test_sending.py", "-k", "goes_on_into_new_histories"],
    "heartbeat": ["tests/end_to_end/test_kills.py"],
    "size cap": ["tests/workflows/test_sizes.py", "-k", "does_not_fit_one_workflow_task"],
    "id digest": ["tests/workflows/test_changed_answers.py"],
}


async def failed_tests(without: str | None, chosen: list[str], cache: Path) -> tuple[int, str]:
    """The exit code of these tests and the names of those that failed, with a defence switched off.

    What failed is noted in `cache`, so that nobody tries it again who tries again what has failed here.
    """
    switched = {} if without is None else {"PYTHONPATH": f"{SWITCHES}{os.pathsep}{ROOT}", "PERDURE_WITHOUT": without}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", "--timeout=45", *chosen,
        cwd=ROOT, env={**os.environ, **switched}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode(errors="replace")


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("defence", WHAT_FAILS)
async def test_without_a_defence_the_tests_fail_that_say_what_it_is_for(defence: str, tmp_path: Path) -> None:
    passed, said = await failed_tests(None, WHAT_FAILS[defence], tmp_path)
    assert passed == 0, said[-3000:]
    failed, said = await failed_tests(defence, WHAT_FAILS[defence], tmp_path)
    assert failed == 1, said[-3000:]
