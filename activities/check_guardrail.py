"""One question to a guardrail: may this pass?"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

from pydantic_core import to_jsonable_python

from perdure.agent import Agent
from perdure.canonical import clean, encode
from perdure.context import RunContextWrapper
from perdure.contracts.steps import GuardrailInput, GuardrailOutput, ToolCall
from perdure.errors import AgentsException, UserError, describe_exception
from perdure.guardrail import GuardrailFunctionOutput
from perdure.limits import KIB
from perdure.served import AgentNotServed, UserLoopEnded
from perdure.snapshot import Member
from perdure.tool_guardrails import ToolGuardrailFunctionOutput, ToolInputGuardrailData, ToolOutputGuardrailData

from .live_tools import LiveTools
from .outputs import read_final, read_output
from .surroundings import Surroundings, context_changes

_MAX_INFO_BYTES = 64 * KIB  # the history keeps it, and so does every result of the run
_SHOWN_CHARACTERS = 1000
_BEHAVIORS: dict[str, Literal["allow", "reject", "raise"]] = {
    "allow": "allow",
    "reject_content": "reject",
    "raise_exception": "raise",
}


class CheckGuardrail:
    """Asks the guardrails that this worker has."""

    def __init__(self, around: Surroundings, tools: LiveTools) -> None:
        self._around = around
        self._tools = tools

    async def check_guardrail(self, question: GuardrailInput) -> GuardrailOutput:
        """What the guardrail says; what it raises ends the run."""
        if question.kind in ("tool_input", "tool_output"):
            return await self._check_call(question)
        member = self._around.member(question)
        guardrail = live_guardrail(_place(question), guardrails_of(member, question.source, question.kind))
        context = self._around.context(question)
        output = question.output
        judged = await self._input(question) if question.kind == "input" else None

        async def ask() -> GuardrailFunctionOutput:
            if question.kind == "input":
                return (await guardrail.run(member.agent, judged, context)).output
            made = await read_final(output, member.agent, self._around.blobs)
            return (await guardrail.run(context, member.agent, made)).output

        said = await self._around.on_user_loop(ask)
        behavior = "raise" if said.tripwire_triggered else "allow"
        return self._answer(question, context, behavior, said.output_info)

    async def _check_call(self, question: GuardrailInput) -> GuardrailOutput:
        call = _call(question)
        tool = self._tools.tool(self._around.run_id, call)
        on_input = question.kind == "tool_input"
        guardrails: list[Any] | None = tool.tool_input_guardrails if on_input else tool.tool_output_guardrails
        guardrail = live_guardrail(_place(question), guardrails)
        context = self._around.tool_context(question, call, await self._tools.arguments(call))
        agent: Agent[Any] = self._around.member(call).agent

        async def ask() -> ToolGuardrailFunctionOutput:
            if on_input:
                return await guardrail.run(ToolInputGuardrailData(context, agent))
            output = await read_output(question.output, agent, self._around.blobs)
            return await guardrail.run(ToolOutputGuardrailData(context, agent, output))

        try:
            said = await self._around.on_user_loop(ask)
        except (AgentsException, UserLoopEnded):
            raise
        except Exception as error:
            raise UserError(f"Error running tool {call.tool}: {describe_exception(error)['message']}") from error
        message = str(said.behavior.get("message", ""))
        return self._answer(question, context, _BEHAVIORS[said.behavior["type"]], said.output_info, message)

    async def _input(self, question: GuardrailInput) -> str | list[dict[str, Any]]:
        if question.cursor is None:
            raise UserError("An input guardrail was asked about no input.")
        items = [
            json.loads(item) for item in await self._around.conversation(question, question.cursor, question.items)
        ]
        if question.input_is_text and len(items) == 1 and isinstance(items[0].get("content"), str):
            return items[0]["content"]
        return items

    def _answer(
        self,
        question: GuardrailInput,
        context: RunContextWrapper[Any],
        behavior: Literal["allow", "reject", "raise"],
        output_info: Any,
        message: str = "",
    ) -> GuardrailOutput:
        extras = context_changes(question, context)
        if message:
            extras["message"] = message
        if output_info is not None:
            extras["output_info"] = portable_info(output_info)
            self._keep(question, output_info, extras["output_info"])
        return GuardrailOutput(behavior=behavior, **extras)

    def _keep(self, question: GuardrailInput, info: Any, told: Any) -> None:
        """Keeps the object itself for the caller, of the run's own guardrails and of those of tools."""
        call_id = question.call.call_id if question.call is not None else ""
        if call_id or not question.path:
            place = (question.kind, question.source, question.index, question.agent, call_id)
            self._around.served.note_info(self._around.run_id, place, info, told)


class GuardrailPlace(NamedTuple):
    """A guardrail as a run knows it: the agent's, the run's or a tool's, and which of those on input or output."""

    source: str
    kind: str
    number: int
    name: str


def guardrails_of(member: Member, source: str, kind: str) -> list[Any] | None:
    """The live guardrails of an agent or of its run, on input or output."""
    owner = member.agent if source == "agent" else member.config
    return owner.input_guardrails if kind == "input" else owner.output_guardrails


def live_guardrail(place: GuardrailPlace, guardrails: list[Any] | None) -> Any:
    """The guardrail of this name, if this worker has it in its place.

    Raises:
        AgentNotServed: It has none there, or another one.
    """
    have = guardrails or []
    found = have[place.number] if place.number < len(have) else None
    if found is None or (place.name and found.get_name() != place.name):
        names = ", ".join(each.get_name() for each in have) or "none"
        raise AgentNotServed(
            f"Guardrail {place.name!r} is number {place.number} of the {place.source}'s {place.kind} "
            f"guardrails in this run; this worker has {names} there. Deploy a worker that has them as they were."
        )
    return found


def _place(question: GuardrailInput) -> GuardrailPlace:
    return GuardrailPlace(question.source, question.kind, question.index, question.name)


def portable_info(value: Any) -> Any:
    """What a guardrail tells about its judgement as JSON: what is none becomes text, what is too long its beginning."""
    try:
        plain = clean(to_jsonable_python(value, fallback=str))
    except Exception:  # noqa: BLE001  any object may stand here, and its text or its fields may raise anything
        return clean(_text(value)[:_SHOWN_CHARACTERS])
    if len(encode(plain)) <= _MAX_INFO_BYTES:
        return plain
    return f"{_text(plain)[:_SHOWN_CHARACTERS]}… [cut: more than {_MAX_INFO_BYTES} bytes as JSON]"


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  as above
        return f"<{type(value).__name__}: {describe_exception(error)['message']}>"


def _call(question: GuardrailInput) -> ToolCall:
    if question.call is None:
        raise UserError(f"A tool's guardrail {question.name!r} was asked about no call.")
    return question.call
