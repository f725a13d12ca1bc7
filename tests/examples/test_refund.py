"""The example runs as it stands."""

from __future__ import annotations

import uuid

import pytest

from examples import refund


async def test_the_refund_is_paid_once_approved(capsys: pytest.CaptureFixture[str]) -> None:
    run_id = f"refund-{uuid.uuid4().hex[:8]}"
    await refund.main(run_id, approve=True)
    said = capsys.readouterr().out
    assert f"perdure approve {run_id} 1.0" in said
    assert said.endswith("Your 40 euros are on their way.\n")
