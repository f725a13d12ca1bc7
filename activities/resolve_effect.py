"""Tells the ledger what a person has found out about a call whose outcome nobody knew."""

from __future__ import annotations

from temporalio import activity

from perdure.blobs import unblocked
from perdure.contracts.effects import RESOLVE_EFFECT, EffectView, ResolveEffectInput, Told
from perdure.contracts.steps import CallToolOutput
from perdure.failpoints import reach

from .attempts import heartbeats, told
from .ledger import Ledger
from .live_tools import LiveTools
from .once import attempt_of, key_of
from .surroundings import Surroundings
from .tool_outputs import tool_output

_HAPPENED = "This call took effect. What it returned is not known."
_DID_NOT_HAPPEN = "This call did not take effect: its worker was lost before. It was not repeated."


class ResolveEffect:
    """Settles effects by a person's word."""

    def __init__(self, around: Surroundings, tools: LiveTools, ledger: Ledger) -> None:
        self._around = around
        self._tools = tools
        self._ledger = ledger

    @activity.defn(name=RESOLVE_EFFECT)
    async def resolve_effect(self, wanted: ResolveEffectInput) -> CallToolOutput:
        """The output of the call by the person's word; without an item where it is to be tried again."""
        reach("resolve begins")
        self._around.served.turn_to(self._around.run_id, wanted.call.message_id)
        async with heartbeats():
            with told(self._around.served):
                output = await self._resolve(wanted)
        reach("resolve ended")
        return output

    async def _resolve(self, wanted: ResolveEffectInput) -> CallToolOutput:
        call = wanted.call
        tool = self._tools.tool(self._around.run_id, call)
        arguments = await self._tools.arguments(call)
        key, attempt = key_of(call, tool, arguments), attempt_of(call, arguments)
        note = f"{wanted.by or 'Somebody'} says: {wanted.outcome.replace('_', ' ')}."
        context = self._around.tool_context(call, call, arguments)

        async def output(text: str) -> CallToolOutput:
            blobs = self._around.blobs
            return await unblocked(blobs, tool_output, call, context, text, blobs)

        if wanted.outcome == "happened":
            given = None if wanted.result is None else await output(wanted.result)
            done = Told(verdict="done", attempt=attempt, output=given, note=note, judged=True)
            known = await self._ledger.tell(key, done)
            return given or _known(known, call.model_call_id) or await output(_HAPPENED)
        await self._ledger.tell(key, Told(verdict="free", attempt=attempt, note=note, judged=True))
        return CallToolOutput(item={}) if wanted.outcome == "retry" else await output(_DID_NOT_HAPPEN)


def _known(view: EffectView, model_call_id: str) -> CallToolOutput | None:
    """What the ledger has of it, as this call's output."""
    if view.output is None:
        return None
    return view.output.model_copy(update={"item": {**view.output.item, "call_id": model_call_id}})
