"""Whatever a model answers and however steps end: a run ends, fails with a type, or waits with a reason."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.agent import Agent
from perdure.definition import SessionDefinition
from perdure.loop.absorb import absorb, started
from perdure.loop.edits import Rewritten
from perdure.loop.holds import Hold
from perdure.loop.pausing import interrupt, pause, resume
from perdure.loop.plan import plan
from perdure.loop.records import Failure, Resolution, SentInput
from perdure.loop.resolutions import resolve
from perdure.loop.sending import take
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.loop.steps import (
    Action,
    CallModel,
    CallTool,
    CheckGuardrail,
    Fail,
    Finish,
    HooksRan,
    Outcome,
    OutcomeUnknown,
    ResolveEffect,
    RunHook,
    SessionRead,
    SessionWritten,
    Start,
    Step,
    StepDeclined,
    StepFailed,
    ToolReturned,
    UserSaid,
    UseSession,
    Wait,
)
from tests.loop.runs import answered, approve, call, message, open_run, passed, returned, tool
from tests.loop.test_turns import Report, after, before, beside
from tests.thoroughness import THOROUGH

CHAT = SessionDefinition(session_id="chat")
NAMES = ["a", "pay", "ask", "transfer_to_b", "transfer_to_a", "fly"]
ITEMS = st.one_of(
    st.builds(
        call,
        st.sampled_from(NAMES),
        st.sampled_from(["{}", '{"input": "q"}', "[", "", "null"]),
        st.sampled_from(["c1", "c2", "c3", ""]),
    ),
    st.builds(message, st.sampled_from(["", "bye", '{"text": "x"}'])),
    st.sampled_from(
        [{"type": "reasoning", "summary": []}, {"type": "web_search_call", "id": "w"}, {"type": "function_call"}]
    ),
    st.just({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}),
)


@st.composite
def agents(draw: st.DrawFn) -> Agent[Any]:
    inner = Agent[Any](name="In", tools=[tool("pay", needs_approval=True)], input_guardrails=[beside])
    a, b = Agent[Any](name="A"), Agent[Any](name="B")
    for agent in (a, b):
        agent.tools = [tool("a"), tool("pay", needs_approval=True), inner.as_tool("ask", "Asks.")]
        agent.output_type = draw(st.sampled_from([None, Report]))
        agent.tool_use_behavior = draw(st.sampled_from(["run_llm_again", "stop_on_first_tool", lambda *_: None]))
        agent.input_guardrails = draw(st.sampled_from([[], [beside], [beside, before]]))
        agent.output_guardrails = draw(st.sampled_from([[], [after]]))
    a.handoffs, b.handoffs = [b], [a]
    return a


def outcome_of(data: st.DataObject, state: LoopState, step: Step) -> Outcome:
    trouble = data.draw(st.integers(0, 19))
    if trouble == 0:
        return StepFailed(Failure("UserError", "broken"))
    if trouble == 1:
        return StepDeclined("no such agent", lost_at=data.draw(st.sampled_from([None, 1.0])))
    return _session_says(state, step) if isinstance(step, UseSession) else _answer_of(data, state, step, trouble)


def _session_says(state: LoopState, step: UseSession) -> Outcome:
    if step.does == "write":
        return SessionWritten()
    entries = [entry._replace(digest="") for entry in state.root.record.entries]
    return SessionRead(Rewritten([], entries), [json.loads(entry.data) for entry in entries])


def _answer_of(data: st.DataObject, state: LoopState, step: Step, trouble: int) -> Outcome:
    match step:
        case CallModel():
            return answered(*data.draw(st.lists(ITEMS, max_size=4)))
        case CallTool():
            return OutcomeUnknown() if trouble == 2 else returned(state, step)
        case ResolveEffect():
            call = state.call(step.call_id)
            assert call is not None
            item = {"type": "function_call_output", "call_id": call.model_call_id, "output": "so it was"}
            return ToolReturned(item)
        case CheckGuardrail():
            rejects = "reject" if step.kind.startswith("tool") else "raise"
            return passed(step, rejects if trouble == 2 else "allow", "no")
        case RunHook():
            return HooksRan()
        case _:
            return UserSaid(text="worded")


def absorbed(data: st.DataObject, state: LoopState, step: Step) -> list[bytes]:
    """Lets a step end; gives what the session was told by it."""
    outcome, session = outcome_of(data, state, step), state.root.session
    told = session.due[0].items if session is not None and isinstance(outcome, SessionWritten) else []
    absorb(state, step, outcome)
    settle(state, 0.0)
    return told


def check_end(state: LoopState, told: list[bytes]) -> None:
    """A session has all that was said in a run that has its result, once; of one that failed nothing else."""
    assert state.failure is None or state.failure.type
    if state.root.session is None:
        return
    said = Counter(entry.data for entry in state.root.record.entries)
    if state.failure is None:
        assert Counter(told) == said
    else:  # outputs are told while a turn waits, and before it enters the record
        assert Counter(each for each in told if b'"function_call_output"' not in each) <= said


def check_request(state: LoopState, step: CallModel) -> None:
    """Each call that a model is shown has its output."""
    frame = state.frame(step.path)
    assert frame is not None
    items = [json.loads(entry.data) for entry in frame.requested.entries]
    made = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    assert sorted(made) == sorted(outputs)


def send(data: st.DataObject, state: LoopState, sent: list[str]) -> None:
    """Sometimes says something to the run, under a new name or an old one: it is said once, in order, or waits."""
    if data.draw(st.integers(0, 4)):
        return
    name = data.draw(st.sampled_from([*sent, f"m{len(sent)}"]))
    when = data.draw(st.sampled_from(["now", "after_tool", "next_turn"]))
    taken = take(state, SentInput(name, [{"content": name, "role": "user"}], when=when))
    settle(state, 0.0)
    if taken.verdict == "accepted":
        assert name not in sent
        sent.append(name)
    said = [json.loads(entry.data)["content"] for entry in state.root.record.entries if entry.kind == "added"]
    assert [*said, *(each.message_id for each in state.root.pending)] == sent


def steer(data: st.DataObject, state: LoopState, flying: list[Step]) -> None:
    """Sometimes pauses or interrupts the run, or lets it go on; one that nothing else moves goes on."""
    if state.steering.is_held and not flying:
        resume(state)
    elif not data.draw(st.integers(0, 9)):
        do = data.draw(st.sampled_from([lambda: pause(state, Hold()), lambda: interrupt(state, Hold())]))
        do()
    settle(state, 0.0)


def say(data: st.DataObject, state: LoopState, wait: Wait, seen: set[str]) -> None:
    """Says what a call waits for: a decision, or what became of it."""
    if not wait.id.startswith("outcome"):
        assert approve(state, wait.call_id, yes=data.draw(st.booleans())) == "accepted"
        return
    outcome = data.draw(st.sampled_from(["happened", "not_happened", "retry"]))
    assert resolve(state, wait.call_id, Resolution(outcome), None).verdict == "accepted"
    settle(state, 0.0)
    seen -= {f"tool.{wait.call_id}", f"effect.{wait.call_id}"}  # which come anew


def begin(state: LoopState, actions: list[Action], flying: list[Step], seen: set[str]) -> None:
    """Starts what the loop asks for."""
    for action in actions:
        if isinstance(action, Start):
            assert action.step.id not in seen, "a step was started twice"
            assert not state.steering.is_held, "a step was started in a run that is held up"
            seen.add(action.step.id)
            if isinstance(action.step, CallModel):
                check_request(state, action.step)
            started(state, action.step)
            flying.append(action.step)


def move(data: st.DataObject, state: LoopState, flying: list[Step], waits: list[Wait], seen: set[str]) -> list[bytes]:
    """Lets a step end, or somebody say what a call waits for; gives what the session was told by it."""
    if not flying or (waits and not data.draw(st.booleans())):
        say(data, state, data.draw(st.sampled_from(waits)), seen)
        return []
    step = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
    if state.frame(step.path) is None:  # its frame is gone: the driver cancels it
        state.in_flight.pop(step.id)
        return []
    return absorbed(data, state, step)


@settings(max_examples=500 if THOROUGH else 50, deadline=None)
@given(agent=agents(), data=st.data())
def test_every_run_ends_or_waits_with_a_reason(agent: Agent[Any], data: st.DataObject) -> None:
    state = open_run(agent, max_turns=5, session=data.draw(st.sampled_from([None, CHAT])))
    told: list[bytes] = []
    flying: list[Step] = []
    seen: set[str] = set()
    sent: list[str] = []
    for _ in range(300):
        send(data, state, sent)
        steer(data, state, flying)
        actions = plan(state)
        if any(isinstance(action, Finish | Fail) for action in actions):
            check_end(state, told)
            return
        begin(state, actions, flying, seen)
        assert not any(isinstance(action, Start) for action in plan(state))
        flying = [step for step in flying if step.id in state.in_flight]
        waits = [action for action in actions if isinstance(action, Wait)]
        if state.steering.is_held and not flying and not waits:
            continue
        assert flying or waits, "the run is stuck"
        told += move(data, state, flying, waits, seen)
    raise AssertionError("the run does not end")
