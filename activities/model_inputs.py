"""What one model call is to send, made ready: functions of the agent, the run's filter, hooks that hear of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from perdure.canonical import canonical
from perdure.context import RunContextWrapper
from perdure.contracts.steps import CallModelInput
from perdure.definition import AgentDefinition
from perdure.duplicates import places_of_distinct
from perdure.hooks import call_hooks
from perdure.item_json import item_json
from perdure.model import Publish
from perdure.model_input import CallModelData, ModelInputData, filter_model_input
from perdure.portable_context import update_context
from perdure.served import AgentNotServed
from perdure.snapshot import Member

from .attempts import Progress
from .resolving import Resolved, resolve, resolve_static
from .surroundings import Surroundings, context_changes

_START_TOLD = "on_llm_start"  # noted once the hooks have heard: they hear once, however often the model is asked


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a model call is to send.

    Attributes:
        member: The live agent.
        resolved: What its functions said.
        instructions: The system prompt, as the filter left it.
        items: The conversation, as the filter left it.
        context: The context that functions of the user were and will be handed; `None` if there are none.
        publish: Takes the answer's events, if somebody watches.
    """

    member: Member
    resolved: Resolved
    instructions: str | None
    items: Sequence[bytes]
    context: RunContextWrapper[Any] | None = None
    publish: Publish | None = None


async def prepare(
    around: Surroundings,
    call: CallModelInput,
    definition: AgentDefinition,
    items: Sequence[bytes],
    progress: Progress,
) -> Prepared:
    """Asks all functions of the user that come before the model."""
    if call.omit_reasoning_ids:
        given = max(call.input_count - call.cursor.start, 0)
        items = [*items[:given], *(without_reasoning_id(item) for item in items[given:])]
    member = around.member(call)
    if not (definition.calls_user_code or call.filters_input or call.llm_hooks):
        resolved = await resolve_static(definition)
        return Prepared(member, resolved, resolved.instructions, items)
    context = around.context(call)
    told_before = progress.noted(_START_TOLD)
    run_hooks = around.run_hooks(call) if call.llm_hooks and told_before is None else None

    async def ask() -> Prepared:
        resolved = await resolve(member.agent, definition, context)
        data = ModelInputData([], resolved.instructions)
        sent = items
        if call.filters_input or (call.llm_hooks and told_before is None):
            data = await _filtered(call, member, context, ModelInputData(_parsed(items), resolved.instructions))
            if call.llm_hooks and told_before is None:
                arguments = (member.agent, data.instructions, data.input)
                await call_hooks("on_llm_start", run_hooks, member.agent.hooks, context, *arguments)
            sent = [canonical(item_json(item)) for item in data.input]
        return Prepared(member, resolved, data.instructions, sent, context)

    prepared = await around.on_user_loop(ask)
    if told_before is not None and context.context is not None:
        update_context(context.context, told_before)
    elif call.llm_hooks:
        progress.note(_START_TOLD, context_changes(call, context).get("context_changes", {}))
    return prepared


async def _filtered(
    call: CallModelInput, member: Member, context: RunContextWrapper[Any], data: ModelInputData
) -> ModelInputData:
    if not call.filters_input:
        return data
    wanted = member.config.call_model_input_filter
    if wanted is None:
        raise AgentNotServed(
            "The run's configuration on this worker has no call_model_input_filter; deploy one that has it."
        )
    filtered = await filter_model_input(wanted, CallModelData(data, member.agent, context.context))
    places = places_of_distinct([item_json(item) for item in filtered.input])
    return replace(filtered, input=[filtered.input[place] for place in places])


def _parsed(items: Sequence[bytes]) -> list[Any]:
    return [json.loads(item) for item in items]


def without_reasoning_id(item: bytes) -> bytes:
    """A reasoning item without its id; any other item as it is."""
    if b'"type":"reasoning"' not in item:
        return item
    parsed = json.loads(item)
    if parsed.get("type") != "reasoning" or "id" not in parsed:
        return item
    del parsed["id"]
    return canonical(parsed)
