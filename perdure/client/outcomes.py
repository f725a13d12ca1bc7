"""How a run's end, or its pause, becomes what the caller gets as its result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from perdure.agent import Agent
from perdure.agent_output import fitted, output_schema_of
from perdure.client.cast import Cast
from perdure.client.guardrails import guardrail_results
from perdure.client.items import interruptions, new_items, open_items, raw_responses
from perdure.client.progress import Progress
from perdure.client.reading import Said
from perdure.client.saving import Reached, SavedRun, document_of, saved_run
from perdure.context import RunContextWrapper
from perdure.contracts.messages import StatusView
from perdure.contracts.run import RunOutcome
from perdure.errors import ModelBehaviorError, UserError
from perdure.items import RunItem, TResponseInputItem
from perdure.lending import Lent
from perdure.result import ResultSource, RunErrorDetails, RunResult


@dataclass(frozen=True, slots=True)
class Caller:
    """What the caller knows of its run.

    Attributes:
        agent: The agent that the run was started with.
        lent: The caller's objects, if the run is served by them.
        message_id: Of a thread: the message that the caller waits for.
    """

    run_id: str
    agent: Agent[Any]
    lent: Lent | None = None
    message_id: str = ""
    cast: Cast = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cast", Cast(self.agent, self.lent))


def result_of(caller: Caller, reached: Reached, outcome: RunOutcome) -> RunResult:
    """The result of a run that finished."""
    final = final_output(caller.cast, reached, outcome)
    details = details_of(caller, reached.progress, reached.said, final)
    saved = partial(saved_run, caller.run_id, caller.agent.name, reached, max_turns=outcome.max_turns)
    return RunResult(
        **vars(details),
        final_output=final,
        max_turns=outcome.max_turns,
        run_id=caller.run_id,
        source=_source(reached, [], saved),
    )


def pause_of(caller: Caller, reached: Reached, status: StatusView, frozen: dict[str, Any] | None) -> RunResult:
    """Where a run stands while calls wait for approval."""
    details = details_of(caller, reached.progress, reached.said, None)
    opened = open_items(caller.cast, status, caller.run_id)
    details.new_items += opened
    saved = partial(
        saved_run,
        caller.run_id,
        caller.agent.name,
        reached,
        max_turns=status.max_turns,
        status=status,
        frozen=frozen,
    )
    return RunResult(
        **vars(details),
        interruptions=interruptions(caller.cast, status, caller.run_id),
        max_turns=status.max_turns,
        run_id=caller.run_id,
        source=_source(reached, opened, saved),
    )


def final_output(cast: Cast, reached: Reached, outcome: RunOutcome) -> Any:
    """The answer of a finished run: a text, a value of the last agent's output type, or a value of JSON.

    Raises:
        UserError: The agent's output type has changed, and the answer is not of it any more.
    """
    if outcome.stopped:
        return None
    told = (outcome.final_output, reached.answer, reached.said.last_message)
    text = next((each for each in told if each is not None), None)
    if text is None or outcome.final_kind == "text":
        return text
    output_type = cast.agent(outcome.agent).output_type
    if outcome.final_kind == "object":
        return fitted(output_type, json.loads(text))
    schema = output_schema_of(output_type) if outcome.final_kind == "typed" else None
    if schema is None:
        return json.loads(text)
    try:
        return schema.validate_json(text)
    except ModelBehaviorError as error:
        raise UserError(
            f"The run's final output is not of the output type {schema.name()} that agent {outcome.agent!r} has in "
            "this process. Ask with the agent that the run was started with, or by name."
        ) from error


def details_of(caller: Caller, progress: Progress, said: Said, final: Any) -> RunErrorDetails:
    """What a result and an exception's `run_data` have in common."""
    cast = caller.cast
    guardrails = guardrail_results(cast, progress.guardrails, final)
    return RunErrorDetails(
        input=_input(progress, said),
        new_items=new_items(cast, said),
        raw_responses=raw_responses(said),
        last_agent=cast.agent(progress.agent),
        context_wrapper=_context(caller, progress, said),
        input_guardrail_results=guardrails.input,
        output_guardrail_results=guardrails.output,
        tool_input_guardrail_results=guardrails.tool_input,
        tool_output_guardrail_results=guardrails.tool_output,
    )


def _input(progress: Progress, said: Said) -> str | list[TResponseInputItem]:
    """What the run was given, or what a handoff made of it."""
    items = said.input
    text = items[0].get("content") if len(items) == 1 else None
    return text if progress.input_is_text and isinstance(text, str) else items


def _context(caller: Caller, progress: Progress, said: Said) -> RunContextWrapper[Any]:
    """The caller's context with what tools changed in it, and the usage of all model calls.

    A wrapper that the caller gave is the very one: its usage grows by what the run has used since it was last told.
    """
    lent = caller.lent
    given = lent.context if lent is not None else None
    if lent is not None and given is not None and progress.context is not None:
        lent.update_context(progress.context)
    used = progress.total(said.responses)
    if lent is None or lent.wrapper is None:
        return RunContextWrapper(given if given is not None else progress.context, used)
    lent.wrapper.usage.add(used.since(lent.counted))
    lent.counted = used
    return lent.wrapper


def _source(reached: Reached, opened: list[RunItem], saved: Callable[[], SavedRun]) -> ResultSource:
    omits_ids = reached.progress.omits_reasoning_ids
    nested = reached.said.nested
    return ResultSource(_model_input(reached, opened), nested, omits_ids, lambda: document_of(saved()))


def _model_input(reached: Reached, opened: list[RunItem]) -> list[TResponseInputItem] | None:
    if reached.shown is None:
        return None
    outputs = [item.data for item in opened if item.type == "tool_call_output_item"]
    return [*reached.shown.items, *outputs]
