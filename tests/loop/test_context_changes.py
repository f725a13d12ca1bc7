"""What calls of one turn change in the context: the later call counts, and it is said."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.loop.steps import CallTool, ToolReturned
from perdure.portable_context import REMOVED
from tests.loop.runs import answer, answered, call, open_run, steps, tool


@pytest.mark.parametrize(("first", "second", "left"), [(REMOVED, 5, {"x": 5}), (5, REMOVED, {})])
def test_of_a_call_that_sets_a_key_and_one_that_takes_it_out_the_later_one_holds(
    first: Any, second: Any, left: dict[str, Any]
) -> None:
    state = open_run(Agent(name="A", tools=[tool("a"), tool("b")]))
    state.context = {"x": 1}
    answer(state, steps(state)[0], answered(call("a"), call("b")))
    changes = {"a": first, "b": second}
    for step in reversed(steps(state)):
        assert isinstance(step, CallTool)
        made = state.call(step.call_id)
        assert made is not None
        item = {"type": "function_call_output", "call_id": made.model_call_id, "output": "done"}
        answer(state, step, ToolReturned(item, False, {"x": changes[made.name]}))
    assert state.context == left
    assert state.warnings == ["Calls 1.0 and 1.1 both changed context.x; the later one holds."]
