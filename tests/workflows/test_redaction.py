"""The Temporal UI shows no declared secret, and no history has a value of the environment in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from perdure import Agent, Runner, UserError, function_tool, redaction
from perdure.client.host import Host
from perdure.testing import ScriptedModel, tool_call

CARD, PASSWORD = "4111-1111-1111-1111", "correct horse battery staple"


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_declared", {CARD})
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    monkeypatch.setenv("PERDURE_REDACT", "SHOP_*")
    redaction._pattern.cache_clear()
    yield
    monkeypatch.undo()
    redaction._pattern.cache_clear()


@function_tool(needs_approval=True, failure_error_function=None)
async def charge(card: str) -> str:
    """Charges a card."""
    raise ValueError(f"the shop refuses {os.environ['SHOP_PASSWORD']!r}")


async def test_ui_and_history_show_neither_a_declared_value_nor_one_of_the_environment() -> None:
    model = ScriptedModel([tool_call("charge", {"card": CARD})])
    run = await Runner.start(Agent(name="Shop", model=model, tools=[charge]), f"charge {CARD}")
    await run.result_or_interruptions()
    client = (await Host.current().call(Host.current().connection())).client
    handle: Any = client.get_workflow_handle(run.id)
    shown = await Host.current().call(handle.query("__temporal_workflow_metadata"))
    assert redaction.REDACTED in shown.current_details
    await run.approve("1.0")
    with pytest.raises(UserError, match="the shop refuses"):
        await run.result()
    history = await Host.current().call(handle.fetch_history())
    summaries = [event.user_metadata.summary.data for event in history.events if event.HasField("user_metadata")]
    assert any(b"charge(card='[redacted]')" in summary for summary in summaries)
    for text in (shown.current_details.encode(), *summaries, *(event.SerializeToString() for event in history.events)):
        assert PASSWORD.encode() not in text
        assert os.environ["OPENAI_API_KEY"].encode() not in text
    for text in (shown.current_details.encode(), *summaries):
        assert CARD.encode() not in text  # what the run itself says and does is kept as it is
