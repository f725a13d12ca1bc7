"""Starts a run that goes on from the end of a turn of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perdure.blobs import unblocked
from perdure.client.execution import Execution
from perdure.client.going_on import Fresh, state_of_turn
from perdure.client.host import Host
from perdure.client.launching import launch_state
from perdure.client.outcomes import Caller
from perdure.client.queues import is_process_queue
from perdure.client.saving import SavedRun, completed, saved_run
from perdure.client.starting import Found
from perdure.client.wanted import Wanted, config_of, unwrapped
from perdure.contracts.messages import StatusView
from perdure.contracts.run import RunInput
from perdure.contracts.threads import THREAD_PREFIX
from perdure.definition import Snapshot
from perdure.errors import UserError
from perdure.lending import Lent
from perdure.portable_context import context_state, open_context
from perdure.snapshot import snapshot


async def fork(
    host: Host,
    caller: Caller,
    execution: Execution,
    at: int,
    *,
    run_id: str | None,
    context: Any | None,
    repeat_effects: bool,
) -> tuple[Caller, Found]:
    """Starts the run; see `Run.fork`.

    Raises:
        UserError: The turn is not completed or did not happen, or this process cannot serve the run.
    """
    if caller.run_id.startswith(THREAD_PREFIX):
        raise UserError(
            f"{caller.run_id!r} is a thread, which cannot be forked. Begin another one with what was said: "
            "Runner.run(agent, [*await thread.history(), ...], thread=...)."
        )
    lent = caller.lent
    if lent is None and is_process_queue(execution.queue):
        raise UserError(
            f"Run {caller.run_id!r} is served by the objects of the process that started it, and this process does "
            "not have them. Fork it there; or attach to it here, by Runner.start with its agent, input and run_id."
        )
    status, saved = await host.call(_saved(caller, execution))
    stood = _at(saved, at, status)
    if not repeat_effects:
        _check_effects(caller.run_id, at, status)
    given = unwrapped(context)
    state = context_state(given) if given is not None else status.context
    if lent is not None and given is None:
        given = open_context(lent.context, status.context)
    fixed: RunInput = await host.call(execution.query("definition", RunInput))
    wanted = _wanted(caller, fixed, execution.queue, given)
    wanted = replace(wanted, max_turns=saved.max_turns, run_id=run_id)
    blobs = await host.call(host.blobs())
    fresh = Fresh(_snapshot(lent, fixed), state, saved.kept, blobs, stood.inputs)
    going_on = await unblocked(blobs, state_of_turn, stood, fresh)
    return await launch_state(host, wanted, caller.run_id, going_on, attach=False)


def _wanted(caller: Caller, fixed: RunInput, queue: str, context: Any) -> Wanted:
    """The other run: served by the same objects, or, as this one, by name and under the same settings."""
    lent = caller.lent
    if lent is None:
        return Wanted(caller.agent.name, [], queue, config_of(fixed.settings), context)
    return Wanted(lent.agent, [], queue, lent.config, context, hooks=lent.hooks, error_handlers=lent.error_handlers)


async def _saved(caller: Caller, execution: Execution) -> tuple[StatusView, SavedRun]:
    status: StatusView = await execution.query("status", StatusView)
    reached = await execution.reached(status)
    return status, saved_run(caller.run_id, caller.agent.name, reached, max_turns=status.max_turns)


def _at(saved: SavedRun, turn: int, status: StatusView) -> SavedRun:
    stood = completed(saved, turn)
    if stood is not None:
        _check_conversation(saved, turn)
        return stood
    if 0 < turn <= status.turn:
        raise UserError(
            f"Turn {turn} of run {saved.run_id!r} is not completed: not all of its calls have an output. Fork it "
            f"at {turn - 1}, or once it is completed."
        )
    raise UserError(f"Run {saved.run_id!r} has no turn {turn}; it has come to turn {status.turn}.")


def _check_effects(run_id: str, turn: int, status: StatusView) -> None:
    """Refuses to go back past effects that nothing would keep the other run from having again."""
    past = [call_id for call_id, has_key in status.effects.items() if not has_key and _turn(call_id) > turn]
    if past:
        raise UserError(
            f"After turn {turn} of run {run_id!r}, calls {', '.join(past)} had effects that happen only once, and the "
            "other run may ask for them again. Fork it with repeat_effects=True if they may be repeated; give the tool "
            "a key, such as key='refund:{order_id}', and no run repeats them."
        )


def _turn(call_id: str) -> int:
    return int(call_id.partition(".")[0])


def _check_conversation(saved: SavedRun, turn: int) -> None:
    """Refuses a turn that the provider's own conversation has gone past: it cannot be taken back."""
    conversation = saved.kept.conversation_id if saved.kept is not None else None
    last = saved.responses[-1].turn if saved.responses else 0
    if conversation is not None and turn < last:
        raise UserError(
            f"Run {saved.run_id!r} cannot be forked at turn {turn}: the provider keeps its conversation "
            f"{conversation!r}, which has come to turn {last}. Fork it there, or start a run with "
            "`result.to_input_list()` and another conversation."
        )


def _snapshot(lent: Lent | None, fixed: RunInput) -> Snapshot | None:
    """The agents: the caller's own as they are now, else as the run fixed them."""
    if lent is None:
        return fixed.snapshot
    return snapshot(lent.agent, lent.config, lent.hooks, lent.error_handlers)
