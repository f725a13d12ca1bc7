"""Whatever the model answers and in whatever order outcomes and decisions arrive, a run goes on, waits or ends."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.loop.absorb import absorb, started
from perdure.loop.decisions import decide
from perdure.loop.plan import plan
from perdure.loop.state import Decision, Failure, LoopState
from perdure.loop.steps import (
    Action,
    CallJudged,
    CallModel,
    CallTool,
    Fail,
    Finish,
    JudgeCall,
    ModelAnswered,
    Outcome,
    OutcomeUnknown,
    Start,
    Step,
    StepDeclined,
    StepFailed,
    ToolReturned,
    Wait,
    WaitedTooLong,
)
from perdure.usage import Usage
from tests.loop.runs import call, message, open_run, refusal, said

MAX_TURNS = 5
MOST_EVENTS = 400  # far above what five turns of a few calls, some of them declined, can take

CALLS = st.builds(
    call,
    st.sampled_from(["look", "pay", "book", "look", "pay", "book", "unknown"]),
    st.sampled_from(["{}", '{"a":1}', "not json", ""]),
    st.sampled_from(["c1", "c2", "c3", "", "1.0"]),
)
ITEMS = st.one_of(
    CALLS,
    CALLS,
    CALLS,
    st.builds(message, st.text(max_size=5)),
    st.builds(refusal, st.text(max_size=5)),
    st.fixed_dictionaries({"type": st.sampled_from(["reasoning", "web_search_call", "compaction", "shell_call", ""])}),
    st.dictionaries(
        st.sampled_from(["type", "name", "content", "perdure_blob"]), st.none() | st.integers(), max_size=3
    ),
)
ANSWERS = st.lists(ITEMS, max_size=5)
DECISIONS = st.builds(Decision, st.booleans(), reason=st.none() | st.just("no"), always=st.booleans())
CHANGES = st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 3), max_size=2)


class Driver:
    """Does what the plan says in an order that is drawn, and checks what must hold at each point."""

    def __init__(self, state: LoopState, data: st.DataObject) -> None:
        self.state = state
        self.draw = data.draw
        self.begun: dict[str, Step] = {}
        self.declined = 0

    def run(self) -> Action:
        for _ in range(MOST_EVENTS):
            actions = plan(self.state)
            assert actions or self.state.in_flight, "the run is stuck: nothing in flight, nothing planned"
            if isinstance(actions[0] if actions else None, Finish | Fail):
                return actions[0]
            for action in actions:
                if isinstance(action, Start):
                    self.start(action.step)
            self.event([action for action in actions if isinstance(action, Wait)])
        raise AssertionError(f"the run did not end within {MOST_EVENTS} events")

    def start(self, step: Step) -> None:
        assert step.id not in self.begun, "a step started twice"
        self.begun[step.id] = step
        if isinstance(step, CallModel):
            assert step.turn <= MAX_TURNS
            assert unanswered(self.state) == []
        if isinstance(step, CallTool):
            self.check_allowed(step.call_id)
        started(self.state, step.id)

    def check_allowed(self, call_id: str) -> None:
        found = self.state.call(call_id)
        assert found is not None
        decision = self.state.decided.get(call_id)
        assert decision.approve if decision else found.tool.needs_approval is not True

    def event(self, waits: list[Wait]) -> None:
        """One thing happens: a step ends, somebody decides, or a wait is over."""
        happenings: list[str] = [*(["step"] if self.state.in_flight else []), *(["decide", "expire"] if waits else [])]
        happening = self.draw(st.sampled_from(happenings))
        if happening == "step":
            step = self.begun[self.draw(st.sampled_from(sorted(self.state.in_flight)))]
            call_id = step.call_id if isinstance(step, CallTool | JudgeCall) else None
            absorb(self.state, step.id, call_id, self.outcome(step), 1.0)
        elif happening == "decide":
            name = self.draw(st.sampled_from([*(wait.call_id for wait in waits), "c1", "9.9", ""]))
            decide(self.state, name, self.draw(DECISIONS), None)
        else:
            wait = self.draw(st.sampled_from(waits))
            absorb(self.state, wait.id, wait.call_id, WaitedTooLong(), 1.0)

    def outcome(self, step: Step) -> Outcome:
        if self.draw(st.integers(0, 30)) == 30:
            return StepFailed(Failure("UserError", "broken"))
        if isinstance(step, CallModel):
            return ModelAnswered(self.draw(ANSWERS), Usage.of_request(1, 1))
        if isinstance(step, JudgeCall):
            return CallJudged(self.draw(st.booleans()))
        assert isinstance(step, CallTool)
        kind = self.draw(st.sampled_from(["returned", "returned", "declined", "lost"]))
        if kind == "declined" and self.declined < 10:
            self.declined += 1
            return StepDeclined("elsewhere")
        if kind == "lost":
            return OutcomeUnknown()
        found = self.state.call(step.call_id)
        assert found is not None
        item = {"call_id": found.model_call_id, "output": step.call_id, "type": "function_call_output"}
        return ToolReturned(item, context_changes=self.draw(CHANGES))


def unanswered(state: LoopState) -> list[str]:
    """The calls without an output; calls of one id are answered one by one."""
    open_ids: list[str] = []
    for item in said(state):
        if item.get("type") == "function_call":
            open_ids.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            open_ids.remove(item["call_id"])
    return open_ids


def told_order(state: LoopState) -> list[tuple[int, int]]:
    """Turn and position of the outputs that tools gave, as they stand in the transcript."""
    texts: list[Any] = [item["output"] for item in said(state) if item.get("type") == "function_call_output"]
    return [(int(text.split(".")[0]), int(text.split(".")[1])) for text in texts if text[0].isdigit()]


@given(st.data())
@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # long runs
def test_every_run_ends(data: st.DataObject) -> None:
    state = open_run(max_turns=MAX_TURNS)
    last = Driver(state, data).run()
    assert isinstance(last, Finish) == state.finished
    assert state.turn <= MAX_TURNS
    assert told_order(state) == sorted(told_order(state))
    assert state.usage.requests >= state.turn
    assert plan(state) == [last]
