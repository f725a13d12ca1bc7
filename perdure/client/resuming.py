"""Where a state's run stands by now, and where it goes on: in the run itself, or in a new one."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Any

from perdure.agent import Agent
from perdure.blobs import unblocked
from perdure.client.adopting import adopt
from perdure.client.comparing import check_no_session, check_options
from perdure.client.execution import Execution
from perdure.client.going_on import Fresh, state_of_turn, state_of_wait
from perdure.client.host import Host
from perdure.client.launching import find_run, launch_state, lend, lent_by
from perdure.client.outcomes import Caller
from perdure.client.queues import is_process_queue
from perdure.client.saving import SavedRun, completed, last_completed, read_document, saved_run
from perdure.client.starting import Found
from perdure.client.wanted import Wanted, with_settings
from perdure.contracts.messages import StatusView
from perdure.contracts.threads import THREAD_PREFIX
from perdure.contracts.told import InputView, KeptView
from perdure.errors import DecisionConflictError, RunNotFound, UserError
from perdure.portable_context import context_state
from perdure.settings import RunConfig
from perdure.snapshot import snapshot
from perdure.state import RunState


async def find_or_go_on(host: Host, wanted: Wanted, state: RunState[Any]) -> tuple[Caller, Found]:
    """The run that a state goes on in; called on the loop that the user's code runs on.

    A run that waits goes on by itself once it is told the decisions. One that has its result by the decisions of this
    very state has it still. Otherwise a new run goes on: what was done is not done again.

    Args:
        host: This process.
        wanted: Whom the run is served by; its context, if it has one, replaces the run's.
        state: The state.

    Raises:
        DecisionConflictError: The run has ended, after a call of the state was decided otherwise.
        UserError: An option is another than the run's own; or the run is gone, and the state does not hold enough to
            go on without it.
    """
    wanted.check()
    _check_thread(wanted, state)
    try:
        caller, found = await host.call(find_run(host, state.run_id))
    except RunNotFound:
        return await _new_from(host, wanted, state)
    execution = Execution(host, caller, found)
    if not found.closed:
        await check_options(host, execution, state.run_id, wanted)
        return await _attached(host, wanted, state, caller, found)
    if not state.get_interruptions():
        return await _new_from(host, wanted, state)
    status: StatusView = await host.call(execution.query("status", StatusView))
    _check_decisions(state, status)
    known = await _known_messages(host, execution, state)
    if found.completed:
        _check_said(state, known)
        await check_options(host, execution, state.run_id, wanted)
        if isinstance(wanted.agent, Agent):
            lent = lent_by(host, replace(wanted, context=_context(wanted, state)))
            caller = Caller(state.run_id, wanted.agent, lent)
        return caller, found
    reached = await host.call(execution.reached(status))
    past = saved_run(caller.run_id, caller.agent.name, reached, max_turns=status.max_turns)
    before = read_document(state.document)
    unsaid = _unsaid(past, state, known)
    if completed(past, before.turn) is not None:
        return await _new(host, wanted, state, last_completed(past), unsaid)
    _check_nothing_ran(state, status)
    return await _new(host, wanted, state, before, unsaid)


def _check_thread(wanted: Wanted, state: RunState[Any]) -> None:
    """Refuses what a thread's message cannot go on from."""
    if wanted.thread is not None and THREAD_PREFIX + wanted.thread != state.run_id:
        raise UserError(f"The state is of run {state.run_id!r}, not of thread {wanted.thread!r}; leave thread= out.")
    if state.run_id.startswith(THREAD_PREFIX) and not state.get_interruptions():
        name = state.run_id.removeprefix(THREAD_PREFIX)
        raise UserError(
            f"The state is of a message of thread {name!r} that has ended. Send the next message with thread={name!r}, "
            "or begin a run with the result's to_input_list()."
        )


async def _attached(
    host: Host, wanted: Wanted, state: RunState[Any], caller: Caller, found: Found
) -> tuple[Caller, Found]:
    """The run itself, served by the caller's objects if this process does not serve it already."""
    wanted.begins(state.run_id)
    if wanted.kept is not None:
        status: StatusView = await host.call(Execution(host, caller, found).query("status", StatusView))
        _check_conversation(state.run_id, status.kept, wanted.kept)
    if not isinstance(wanted.agent, Agent):
        return caller, found
    lent = host.served.lent(state.run_id)
    if lent is None or not lent.loop.is_running():
        lent = lend(host, state.run_id, replace(wanted, context=_context(wanted, state)))
        if is_process_queue(found.queue):
            await host.call(host.take_over(found.queue, by_force=wanted.take_over))
    else:
        if wanted.context is not None or state.context_is_given:
            lent.lend_context(_context(wanted, state))
            lent.lend_wrapper(wanted.wrapper)
        adopt(lent, wanted, state)
    return Caller(state.run_id, lent.agent, lent), found


def _check_conversation(run_id: str, kept: KeptView | None, wanted: KeptView) -> None:
    """Refuses to move a run under way to another conversation of the provider."""
    if kept is None or kept.conversation_id != wanted.conversation_id:
        raise UserError(
            f"Run {run_id!r} is under way, and its conversation cannot be moved to another one of the provider. Leave "
            "conversation_id, previous_response_id and auto_previous_response_id out, or give what it was started with."
        )


def _context(wanted: Wanted, state: RunState[Any]) -> Any:
    return state.context if wanted.context is None else wanted.context


def _check_decisions(state: RunState[Any], status: StatusView) -> None:
    """Refuses decisions that differ from those that the run has ended with."""
    conflicts: list[str] = []
    for item in state.get_interruptions():
        draft, decided = state.drafts.get(item.id), status.decided.get(item.id)
        if draft is not None and decided is not None and decided.startswith("approved") is not draft.approve:
            conflicts.append(f"Call {item.id} was {decided}; the first decision holds.")
    if conflicts:
        raise DecisionConflictError(
            f"Run {state.run_id!r} has ended: {' '.join(conflicts)} To branch, fork the run before that turn."
        )


def _check_nothing_ran(state: RunState[Any], status: StatusView) -> None:
    """Refuses to repeat calls that were approved, where the run ended before they all had an output."""
    approved = [item.id for item in state.get_interruptions() if status.decided.get(item.id, "").startswith("approved")]
    if approved:
        raise DecisionConflictError(
            f"Run {state.run_id!r} has ended after {', '.join(approved)} was approved, and may have run: it is not run "
            "again. Look what it did, then fork the run before that turn."
        )


def _unsaid(saved: SavedRun, state: RunState[Any], known: Container[str] = ()) -> list[InputView]:
    """What is still to be said: what the run was sent and did not say, then what was added to the state since."""
    withdrawn = {name for each in state.inputs for name in each.withdraw}
    waited = [each for each in saved.inputs if each.message_id not in withdrawn]
    added = [InputView(**vars(each)) for each in state.inputs]
    return [*waited, *(each for each in added if each.message_id not in known)]


async def _known_messages(host: Host, execution: Execution, state: RunState[Any]) -> set[str]:
    """The names of what the run was sent, where the state has something to send."""
    if not state.inputs:
        return set()
    frozen: dict[str, Any] = await host.call(execution.query("state", dict[str, Any]))
    return set(frozen["message_ids"])


def _check_said(state: RunState[Any], known: set[str]) -> None:
    """Refuses to lose input that was added to the state of a run that has its result without it."""
    if any(each.items and each.message_id not in known for each in state.inputs):
        raise UserError(
            f"Run {state.run_id!r} has ended before the input that was added to its state was sent to it. Start a new "
            "run with the `to_input_list()` of its result and that input."
        )


def _config(config: RunConfig, saved: SavedRun) -> RunConfig:
    """The configuration of the new run: what the caller leaves open is as it was."""
    config = with_settings(config, saved.settings)
    if config.reasoning_item_id_policy is None and saved.omits_reasoning_ids:
        return replace(config, reasoning_item_id_policy="omit")
    return config


async def _new_from(host: Host, wanted: Wanted, state: RunState[Any]) -> tuple[Caller, Found]:
    """A new run that goes on from where the state says, with what waited then and what was added since."""
    saved = read_document(state.document)
    return await _new(host, wanted, state, saved, _unsaid(saved, state))


async def _new(
    host: Host, wanted: Wanted, state: RunState[Any], saved: SavedRun, inputs: list[InputView]
) -> tuple[Caller, Found]:
    """A new run that goes on from there, and says these inputs before its first model request."""
    context = _context(wanted, state)
    wanted = replace(wanted, context=context, max_turns=saved.max_turns, config=_config(wanted.config, saved))
    agents = None
    if isinstance(wanted.agent, Agent):
        agents = snapshot(wanted.agent, wanted.config, wanted.hooks, wanted.error_handlers)
    travelling = context_state(context) if context is not None else saved.context_state
    waits = bool(saved.interruptions)
    kept = wanted.kept if waits else wanted.kept or saved.kept
    if kept is not None or saved.kept is not None:
        check_no_session(wanted)
    blobs = await host.call(host.blobs())
    fresh = Fresh(agents, travelling, kept, blobs, inputs, wanted.session_definition)
    if waits:
        if saved.frozen is None:
            raise UserError(
                f"Run {state.run_id!r} has ended or is gone, and the state does not hold what it knew: give a state "
                "of a result, or what its to_json wrote."
            )
        going_on = await unblocked(blobs, state_of_wait, saved, state.drafts, fresh)
    else:
        going_on = await unblocked(blobs, state_of_turn, saved, fresh)
    return await launch_state(host, wanted, state.run_id, going_on, attach=waits)
