"""What was said, as the typed items and answers of a result, each with the live agent that it is of."""

from __future__ import annotations

from perdure.client.cast import Cast
from perdure.client.reading import Said
from perdure.contracts.messages import CallView, StatusView
from perdure.contracts.run import PageEntry, ResponseView
from perdure.item_json import output_value
from perdure.items import HandoffOutputItem, InputItem, RunItem, ToolApprovalItem, ToolCallOutputItem, run_item
from perdure.model import ModelResponse
from perdure.openai_types import typed_output_item


def new_items(cast: Cast, said: Said) -> list[RunItem]:
    """What the run said and did."""
    return [item_of(cast, entry) for entry in said.entries if entry.kind != "input"]


def item_of(cast: Cast, entry: PageEntry) -> RunItem:
    """One item."""
    agent = cast.agent(entry.agent)
    if entry.kind in ("output", "value"):
        output = output_value((entry.whole or entry.item).get("output"), is_value=entry.kind == "value")
        return ToolCallOutputItem(agent, entry.item, output)
    if entry.kind == "added":
        return InputItem(agent, entry.item)
    if entry.kind == "handed_off":
        return HandoffOutputItem(agent, entry.item, agent, cast.agent(entry.target or entry.agent))
    return run_item(agent, entry.item, is_handoff=entry.kind == "handoff")


def raw_responses(said: Said) -> list[ModelResponse]:
    """The models' answers."""
    return [_response(said, response) for response in said.responses]


def _response(said: Said, response: ResponseView) -> ModelResponse:
    output = [typed_output_item(item) for item in said.answer(response)]
    usage = response.usage.usage_of_answer()
    return ModelResponse(output, usage, response.response_id, response.request_id, response.raw_usage)


def open_items(cast: Cast, status: StatusView, run_id: str) -> list[RunItem]:
    """The run's own open turn: outputs that are there, and the calls that wait in the place of theirs."""
    items: list[RunItem] = []
    for call in status.calls:
        if call.path:
            continue
        agent = cast.agent(call.agent or status.agent)
        if call.output is not None:
            output = output_value(call.output.get("output"), is_value=call.output_is_value)
            items.append(ToolCallOutputItem(agent, call.output, output))
        elif call.phase == "waiting":
            items.append(_approval(cast, call, status.agent, run_id))
    return items


def interruptions(cast: Cast, status: StatusView, run_id: str) -> list[ToolApprovalItem]:
    """The calls that wait, in call order: where an agent runs as a tool, its own calls in the place of its call."""
    waiting: list[ToolApprovalItem] = []
    ahead = [call for call in status.calls if not call.path][::-1]
    while ahead:
        call = ahead.pop()
        if call.phase == "waiting":
            waiting.append(_approval(cast, call, status.agent, run_id))
        ahead += [inner for inner in status.calls if inner.path == call.call_id][::-1]
    return waiting


def _approval(cast: Cast, call: CallView, active: str, run_id: str) -> ToolApprovalItem:
    agent = cast.agent(call.agent or active)
    return ToolApprovalItem(agent, call.item, id=call.call_id, digest=call.digest, run_id=run_id)
