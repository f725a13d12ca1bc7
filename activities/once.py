"""Calls of tools with `effect="once"`: claimed in the ledger before they run, told to it afterwards, never run twice.

An attempt that finds another's claim never executes.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from temporalio import activity
from temporalio.exceptions import ApplicationErrorCategory

from perdure.blobs import unblocked
from perdure.canonical import digest_of
from perdure.context import ToolContext
from perdure.contracts.effects import OUTCOME_UNKNOWN, Attempt, EffectView, Told
from perdure.contracts.steps import CallToolOutput, ToolCall
from perdure.effects import DidNotHappen, EffectVerifier, Happened, effect_key, shortened
from perdure.errors import ModelBehaviorError, describe_exception
from perdure.tool import FunctionTool

from .attempts import Verdict, declined
from .ledger import Ledger
from .surroundings import Surroundings
from .tool_outputs import tool_output

_log = logging.getLogger("perdure")

_CALL_CHARACTERS = 180

Run = Callable[[], Awaitable[CallToolOutput]]
"""Runs the tool and makes its output the call's."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """An attempt at a call, under the key of its effect."""

    key: str
    attempt: Attempt
    call: ToolCall
    tool: FunctionTool
    context: ToolContext[Any]


class OnceOnly:
    """Runs calls at most once per key."""

    def __init__(self, around: Surroundings, ledger: Ledger) -> None:
        self._around = around
        self._ledger = ledger
        self._telling: set[asyncio.Task[EffectView]] = set()

    async def run(self, call: ToolCall, tool: FunctionTool, context: ToolContext[Any], run: Run) -> CallToolOutput:
        """What the call returns now, or what the first call with its key returned.

        Args:
            call: The call.
            tool: Its tool.
            context: The tool's context.
            run: Runs it.

        Raises:
            Verdict: Another attempt is at it, so this one comes again later; or nobody knows what became of
                one, so a person has to say.
        """
        try:
            key = key_of(call, tool, context.tool_arguments)
        except DidNotHappen:  # arguments that no call can be made of: the tool itself tells the model so
            return await run()
        if tool.key is not None:
            context.idempotency_key = key
        asked = _Asked(key, attempt_of(call, context.tool_arguments), call, tool, context)
        view = await self._ledger.claim(key, asked.attempt)
        if view.status == "unknown" and tool.verify is not None:
            view = await self._verified(asked, view, tool.verify)
        if view.status == "free":  # a question is answered once, so this is another one
            asked = replace(asked, attempt=attempt_of(call, context.tool_arguments))
            view = await self._ledger.claim(key, asked.attempt)
        has = view.attempt or asked.attempt
        match view.status:
            case "claimed" if has.token == asked.attempt.token:
                return await self._perform(asked, run)
            case "claimed":
                text = f"{has.call} of run {has.run_id} is under way since {has.at}, and its result counts"
                raise declined(RuntimeError(text))
            case "done" if view.output is not None and (tool.key is not None or _is_retry(has, asked.attempt)):
                return _answer(call, view.output, has, asked.attempt)
            case _:
                raise _unknown(view, has)

    async def _verified(self, asked: _Asked, view: EffectView, verify: EffectVerifier) -> EffectView:
        """Lets the tool's own `verify` find out what nobody knows."""
        has = view.attempt or asked.attempt

        async def ask() -> Happened | None:
            said = verify(asked.context, json.loads(asked.context.tool_arguments or "{}"))
            return await said if inspect.isawaitable(said) else said

        try:
            found = await self._around.on_user_loop(ask)
        except DidNotHappen as error:
            told = Told(verdict="free", attempt=has, note=f"verify: {_text(error)}", judged=True)
            return await self._ledger.tell(asked.key, told)
        if not isinstance(found, Happened):
            return view
        output = await self._output(asked, found.result)
        told = Told(verdict="done", attempt=has, output=output, note="verify: it happened", judged=True)
        return await self._ledger.tell(asked.key, told)

    async def _perform(self, asked: _Asked, run: Run) -> CallToolOutput:
        """Runs the tool and tells what came of it."""
        key, attempt, context = asked.key, asked.attempt, asked.context
        loop = asyncio.get_running_loop()
        context.on_late = lambda result: asyncio.run_coroutine_threadsafe(self._ended_late(asked, result), loop)
        try:
            output = await run()
        except asyncio.CancelledError:
            stopped = Told(verdict="unknown", attempt=attempt, note="It was told to stop while it ran.")
            telling = loop.create_task(self._ledger.tell(key, stopped))  # this task has no time for it
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
            raise
        except Exception as error:
            await self._ledger.tell(key, _raised(attempt, context.raised or error))
            raise
        if context.raised is not None:
            await self._ledger.tell(key, _raised(attempt, context.raised))
            return output.model_copy(update={"effect": key})
        told = await self._ledger.tell(key, Told(verdict="done", attempt=attempt, output=output))
        if told.status != "done":
            _log.warning("run %s: %s ended after its outcome was judged: %s", attempt.run_id, attempt.call, told.note)
        return output.model_copy(update={"effect": key})

    async def _output(self, asked: _Asked, result: Any) -> CallToolOutput:
        blobs = self._around.blobs
        return await unblocked(blobs, tool_output, asked.call, asked.context, result, blobs)

    async def _ended_late(self, asked: _Asked, result: Any) -> None:
        """Tells the ledger what came of a call after all, and its run, should that ask a person by now."""
        output = await self._output(asked, result)
        note = "It went on after it was told to stop, and ended."
        told = await self._ledger.tell(asked.key, Told(verdict="done", attempt=asked.attempt, output=output, note=note))
        if told.status == "done" and told.note == note:
            await self._ledger.answer(asked.attempt, note)


def key_of(call: ToolCall, tool: FunctionTool, arguments: str) -> str:
    """The key of a call's effect: by the tool's template, else one of its own, which is stable over attempts and reset.

    Raises:
        DidNotHappen: The arguments are none that the tool could be called with.
    """
    if tool.key is None:
        return shortened(f"{call.idempotency_key}/{_digest(call, arguments)}")
    return effect_key(tool.key, arguments, tool.params_json_schema)


def attempt_of(call: ToolCall, arguments: str) -> Attempt:
    """The attempt that this activity makes."""
    info = activity.info()
    text = f"{call.tool}({arguments})".replace("\n", " ")
    return Attempt(
        token=uuid4().hex,
        run_id=info.workflow_id or "",
        execution=info.workflow_run_id or "",
        call_id=call.call_id,
        activity_id=info.activity_id,
        attempt=info.attempt,
        tool=call.tool,
        call=text if len(text) <= _CALL_CHARACTERS else f"{text[:_CALL_CHARACTERS]}…",
        digest=_digest(call, arguments),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _digest(call: ToolCall, arguments: str) -> str:
    return digest_of([call.tool, arguments])[:12]


def _is_retry(has: Attempt, attempt: Attempt) -> bool:
    """Whether both are attempts of one call in one history: what was told before the worker was lost still holds."""
    return has.is_of(attempt) and has.execution == attempt.execution


def _answer(call: ToolCall, output: CallToolOutput, has: Attempt, attempt: Attempt) -> CallToolOutput:
    """The first result as the output of this call."""
    if not has.is_of(attempt):
        _log.warning(
            "run %s: %s was done already, by %s of run %s; its result answers",
            attempt.run_id, attempt.call, has.call, has.run_id,
        )  # fmt: skip
    item = {**output.item, "call_id": call.model_call_id}
    return output.model_copy(update={"item": item, **({} if _is_retry(has, attempt) else {"context_changes": {}})})


def _raised(attempt: Attempt, error: BaseException) -> Told:
    """What an error of the tool's says about its effect: nothing, unless it says that there was none."""
    none = isinstance(error, DidNotHappen | ModelBehaviorError)
    note = f"It raised {describe_exception(error)['type']}: {_text(error)}"
    return Told(verdict="free" if none else "unknown", attempt=attempt, note=note)


def _text(error: BaseException) -> str:
    return describe_exception(error)["message"][:400]


def _unknown(view: EffectView, has: Attempt) -> Verdict:
    """Nobody knows: the run asks a person."""
    note = view.note
    if view.status == "done":
        note = f"An earlier history of this run did it at {has.at}; this one came to the same call after a reset."
    return Verdict(
        note or "Nobody knows what became of it.",
        cast("dict[str, Any]", {"effect": view.key} if has.run_id == activity.info().workflow_id else {}),
        type=OUTCOME_UNKNOWN,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )
