"""Opens frames and turns: the run itself, and agents that run as tools."""

from __future__ import annotations

from typing import Any

from perdure.canonical import encode
from perdure.definition import AgentToolDefinition, GuardrailDefinition
from perdure.loop.records import Failure, Guard, Kept, Transcript
from perdure.loop.saving import save_rejected, save_turn, track, writer_of
from perdure.loop.showing import prune
from perdure.loop.state import Frame, LoopState
from perdure.transcript import chain_start_below


def open_frame(
    state: LoopState,
    path: str,
    tool: AgentToolDefinition,
    items: list[dict[str, Any]],
    *,
    opened_by: tuple[str, str],
    input_is_text: bool,
    tool_input: Any,
) -> Frame:
    """The frame of an agent that runs as a tool, at its beginning."""
    transcript = Transcript(chain_start_below(state.root.record.origin, path, 0))
    for item in items:
        transcript.append(encode(item), "input", tool.agent, 0)
    frame = Frame(
        path=path,
        agent=tool.agent,
        rules=tool.rules,
        record=transcript,
        shown=transcript,
        max_turns=tool.max_turns,
        input_is_text=input_is_text,
        opened_by=opened_by,
        tool_input=tool_input,
        kept=Kept.asked(tool.conversation_id, tool.previous_response_id),
        session=track(tool.session, writer_of(state.root.record.origin)),
    )
    prune(frame, state.root.record.origin)
    begin(state, frame)
    return frame


def begin(state: LoopState, frame: Frame) -> None:
    """Lets a frame begin, once its agent's definition is known."""
    definition = state.definition(frame)
    frame.guards = guards(definition.input_guardrails, frame.rules.input_guardrails)
    frame.settled_items = frame.record.count
    if frame.session is not None and not frame.session.is_read:
        frame.stage = "remembering"
    else:
        begin_turn(frame)


def guards(of_agent: tuple[GuardrailDefinition, ...], of_run: tuple[GuardrailDefinition, ...]) -> list[Guard]:
    """The guardrails of the agent, then those of the run, none of which has been asked."""
    own = [Guard("agent", index, each.name, each.parallel) for index, each in enumerate(of_agent)]
    return own + [Guard("run", index, each.name, each.parallel) for index, each in enumerate(of_run)]


def begin_turn(frame: Frame) -> None:
    """Lets a frame ask its model once more, if it may; what was said so far belongs to completed turns."""
    frame.settled_items, frame.settled_turns = frame.record.count, frame.turn
    _save(frame)


def conclude(frame: Frame) -> None:
    """Ends a frame whose final output has passed, once its session has been told."""
    _save(frame)


def _save(frame: Frame) -> None:
    """Has the session told of the turn, if there is one, before the frame goes on."""
    save_turn(frame)
    frame.stage = "saving"
    after_saving(frame)


def after_saving(frame: Frame) -> None:
    """Lets a frame go on, to its end or to its next turn, unless its session has yet to be told something."""
    if frame.session is not None and frame.session.due:
        return
    if frame.session is not None and frame.session.failure is not None:
        frame.failure = frame.failure or frame.session.failure
    elif frame.final is not None or frame.stopping:
        frame.stage = "done"
    else:
        _open_turn(frame)


def _open_turn(frame: Frame) -> None:
    frame.stage = "screening"
    if frame.max_turns is not None and frame.turn - frame.begun >= frame.max_turns:
        failure = Failure("MaxTurnsExceeded", f"Max turns ({frame.max_turns}) exceeded", kind="max_turns")
        fail_frame(frame, failure)


def fail_frame(frame: Frame, failure: Failure) -> None:
    """Ends a frame with a failure, unless an error handler may turn it into a final output."""
    if failure.kind in frame.rules.error_handlers and frame.recovery is None:
        frame.recovery, frame.stage = failure, "recovering"
    elif frame.session is not None and frame.stage == "reviewing":
        save_rejected(frame, failure)
    else:
        frame.failure = frame.failure or failure
