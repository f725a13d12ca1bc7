"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.items import RunItem, ToolApprovalItem, TResponseInputItem, input_items
from perdure.model import ModelResponse

if TYPE_CHECKING:
    from perdure.state import RunState

_T = TypeVar("_T")


@dataclass
class RunErrorDetails:
    """How far a run had come when it ended in an error."""

    input: str | list[TResponseInputItem]
    new_items: list[RunItem]
    raw_responses: list[ModelResponse]
    last_agent: Agent[Any]
    context_wrapper: RunContextWrapper[Any]
    input_guardrail_results: list[Any] = field(default_factory=list[Any])
    output_guardrail_results: list[Any] = field(default_factory=list[Any])
    tool_input_guardrail_results: list[Any] = field(default_factory=list[Any])
    tool_output_guardrail_results: list[Any] = field(default_factory=list[Any])


@dataclass
class RunResult(RunErrorDetails):
    """A run's result, or where it stands while calls wait for approval.

    Attributes:
        input: What the run was given.
        new_items: All that it said and did.
        raw_responses: The model's answers, in order.
        last_agent: The agent that was active at the end.
        context_wrapper: The context and the run's usage.
        final_output: The answer; `None` while calls wait for approval.
        interruptions: The calls that wait, in call order.
        max_turns: The run's limit.
        run_id: The run, which is the workflow's id.
    """

    final_output: Any = None
    interruptions: list[ToolApprovalItem] = field(default_factory=list[ToolApprovalItem])
    max_turns: int | None = 10
    run_id: str = ""

    @property
    def last_response_id(self) -> str | None:
        """The provider's id of the last answer."""
        return self.raw_responses[-1].response_id if self.raw_responses else None

    def to_input_list(
        self, *, mode: Literal["preserve_all", "normalized"] = "preserve_all"
    ) -> list[TResponseInputItem]:
        """Input and new items as input for another run; both modes are the same as long as nothing was rewritten."""
        said = [item.to_input_item() for item in self.new_items if not isinstance(item, ToolApprovalItem)]
        return input_items(self.input) + said

    def final_output_as(self, cls: type[_T], raise_if_incorrect_type: bool = False) -> _T:
        """The final output as a type, checked only if asked.

        Raises:
            TypeError: It is of another type and `raise_if_incorrect_type` is set.
        """
        if raise_if_incorrect_type and not isinstance(self.final_output, cls):
            raise TypeError(f"Final output is a {type(self.final_output).__name__}, not a {cls.__name__}.")
        return self.final_output

    def to_state(self) -> RunState[Any]:
        """A draft of decisions about the calls that wait; `Runner.run(agent, state)` commits it."""
        from perdure.state import RunState

        return RunState(result=self)
