"""Functions of the user about handoffs: who takes over, and what they get of the conversation."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from perdure.agent import Agent
from perdure.blobs import unblocked
from perdure.canonical import digest_of
from perdure.contracts.steps import CallUserInput, CallUserOutput, HandedOff, TranscriptName
from perdure.errors import UserError
from perdure.handoff import Handoff, HandoffInputData, filter_input
from perdure.handoff_history import nest_handoff_history
from perdure.served import AgentNotServed
from perdure.snapshot import Member, define_agent, key_of, live_handoffs

from .edited_history import edited_history
from .judging_calls import call_of
from .live_tools import LiveTools
from .rewriting import Before, rewritten
from .surroundings import Surroundings, context_changes
from .transcripts import Transcript, Transcripts

NO_FILTER = "Handoff {name!r} of this worker has no input filter, nor has the run."


class HandingOff:
    """Asks about handoffs."""

    def __init__(self, around: Surroundings, tools: LiveTools, transcripts: Transcripts) -> None:
        self._around = around
        self._tools = tools
        self._transcripts = transcripts

    async def on_handoff(self, asked: CallUserInput) -> CallUserOutput:
        """The agent that takes over; with its definition, if it comes from nowhere but the function."""
        member, call = self._around.member(asked), call_of(asked)
        handoff = as_it_was(live_handoff(member, call.tool), call.fingerprint)
        context, arguments = self._around.context(asked), await self._tools.arguments(call)

        async def ask() -> Agent[Any]:
            given: Any = await handoff.on_invoke_handoff(context, arguments)
            if not isinstance(given, Agent):
                kind = type(given).__name__
                raise UserError(f"Handoff {call.tool!r} gave {given!r:.100}, a {kind}, to take over. Return an Agent.")
            return cast("Agent[Any]", given)

        agent = await self._around.on_user_loop(ask)
        handed_off = self._handed_off(asked, member, agent)
        return CallUserOutput(handed_off=handed_off, **context_changes(asked, context))

    def _handed_off(self, asked: CallUserInput, member: Member, agent: Agent[Any]) -> HandedOff:
        served, run_id = self._around.served, self._around.run_id
        known = served.members(run_id, asked.root)
        key = key_of(agent, member.config, known)
        if key is not None:
            return HandedOff(agent=key)
        key = served.add_member(run_id, asked.root, agent, member.config)
        among = served.members(run_id, asked.root)
        new = {name: define_agent(each, among) for name, each in among.items() if name not in known}
        return HandedOff(agent=key, definitions=new)

    async def handoff_input_filter(self, asked: CallUserInput) -> CallUserOutput:
        """What the next agent gets, as the handoff's filter, the run's, or nesting makes it."""
        member, call = self._around.member(asked), call_of(asked)
        own = live_handoff(member, call.tool).input_filter
        wanted = member.config.handoff_input_filter if own is None else own
        if wanted is None and not asked.nest:
            raise AgentNotServed(NO_FILTER.format(name=call.tool))
        context = self._around.context(asked)
        said = await self._transcripts.said(asked.transcript or TranscriptName(path=asked.path))
        transcript = await self._transcripts.loaded(said)
        members = self._around.served.members(self._around.run_id, asked.root)
        data = _handoff_data(transcript, members, asked, context)

        async def ask() -> HandoffInputData:
            if wanted is None or asked.nest:
                return nest_handoff_history(data, history_mapper=member.config.handoff_history_mapper)
            return await filter_input(wanted, data)

        filtered = await self._around.on_user_loop(ask)
        blobs = self._around.blobs
        edited = await unblocked(blobs, edited_history, transcript, data, filtered, members, blobs)
        if asked.rewrite is not None and blobs is not None:
            record = await self._transcripts.said(asked.rewrite.record)
            before = Before(said, record)
            edited = await asyncio.to_thread(rewritten, edited, asked, asked.rewrite, before, blobs)
        return CallUserOutput(edited=edited, **context_changes(asked, context))


def live_handoff(member: Member, tool_name: str) -> Handoff[Any, Any]:
    """The live handoff of this name; of several the last, as the loop has it.

    Raises:
        AgentNotServed: This worker's agent has none.
    """
    found = [handoff for handoff in live_handoffs(member.agent) if handoff.tool_name == tool_name]
    if not found:
        name = member.agent.name
        raise AgentNotServed(f"Agent {name!r} of this worker has no handoff {tool_name!r}; deploy one that has it.")
    return found[-1]


def as_it_was(handoff: Handoff[Any, Any], fingerprint: str) -> Handoff[Any, Any]:
    """The handoff, whose function is called, as the run's is, which takes an input of this fingerprint.

    Raises:
        AgentNotServed: It has no function on this worker, or takes another input than the model gave.
    """
    lacks = ""
    if not handoff.has_callback:
        lacks = "calls no function, as the run's does"
    elif fingerprint not in ("", digest_of(handoff.input_json_schema)):
        lacks = "takes another input than the run's"
    if lacks:
        name = handoff.tool_name
        raise AgentNotServed(f"Handoff {name!r} of this worker {lacks}; deploy one that has it as it was.")
    return handoff


def _handoff_data(
    transcript: Transcript, members: dict[str, Member], asked: CallUserInput, context: Any
) -> HandoffInputData:
    given = transcript.input(is_text=asked.input_is_text)
    items = transcript.run_items(members)
    before = max(asked.new_from - transcript.input_count, 0)
    return HandoffInputData(
        input_history=given if isinstance(given, str) else tuple(given),
        pre_handoff_items=tuple(items[:before]),
        new_items=tuple(items[before:]),
        run_context=context,
    )
