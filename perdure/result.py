"""What a run gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.guardrail import InputGuardrailResult, OutputGuardrailResult
from perdure.items import ReasoningItem, RunItem, ToolApprovalItem, TResponseInputItem, input_items
from perdure.model import ModelResponse
from perdure.tool_guardrails import ToolInputGuardrailResult, ToolOutputGuardrailResult

if TYPE_CHECKING:
    from perdure.state import RunState

_T = TypeVar("_T")

_SHOWN_CHARACTERS = 2000  # of the final output


@dataclass
class RunErrorDetails:
    """How far a run had come when it ended in an error: its completed turns.

    Attributes:
        input: What the run was given.
        new_items: All that it said and did.
        raw_responses: The models' answers, in order.
        last_agent: The agent that was active at the end.
        context_wrapper: The context and the run's usage.
        input_guardrail_results: What guardrails said of the input, in the order in which they were done.
        output_guardrail_results: What guardrails said of the final output.
        tool_input_guardrail_results: What guardrails said of tool calls.
        tool_output_guardrail_results: What guardrails said of tools' outputs.
    """

    input: str | list[TResponseInputItem]
    new_items: list[RunItem]
    raw_responses: list[ModelResponse]
    last_agent: Agent[Any]
    context_wrapper: RunContextWrapper[Any]
    input_guardrail_results: list[InputGuardrailResult] = field(default_factory=list[InputGuardrailResult])
    output_guardrail_results: list[OutputGuardrailResult] = field(default_factory=list[OutputGuardrailResult])
    tool_input_guardrail_results: list[ToolInputGuardrailResult] = field(default_factory=list[ToolInputGuardrailResult])
    tool_output_guardrail_results: list[ToolOutputGuardrailResult] = field(
        default_factory=list[ToolOutputGuardrailResult]
    )

    def __str__(self) -> str:
        return "\n".join([f"{type(self).__name__} of agent {self.last_agent.name!r}", *self._lines()])

    def _lines(self) -> list[str]:
        used = self.context_wrapper.usage
        tools = len(self.tool_input_guardrail_results) + len(self.tool_output_guardrail_results)
        return [
            f"  new items: {len(self.new_items)}, answers of models: {len(self.raw_responses)}",
            f"  guardrails: {len(self.input_guardrail_results)} on the input, "
            f"{len(self.output_guardrail_results)} on the output, {tools} on tools",
            f"  usage: {used.requests} requests, {used.input_tokens} tokens in, {used.output_tokens} out",
        ]


def _no_document() -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class AgentToolInvocation:
    """The call that an agent as a tool answers: its tool, the model's id of it, and its arguments as JSON."""

    tool_name: str
    tool_call_id: str
    tool_arguments: str


@dataclass(frozen=True)
class ResultSource:
    """What a result was made from, beside what it shows.

    Attributes:
        model_input: What the model got, where a handoff edited it; `None`: input and new items.
        nested: What nested history keeps in the input, among it items that the run said.
        omits_reasoning_ids: Whether requests leave the ids of reasoning items out.
        document: The run as JSON, for a state of it.
        invocation: The call that it answers, of an agent that runs as a tool.
    """

    model_input: list[TResponseInputItem] | None = None
    nested: list[TResponseInputItem] = field(default_factory=list[TResponseInputItem])
    omits_reasoning_ids: bool = False
    document: Callable[[], dict[str, Any]] = _no_document
    invocation: AgentToolInvocation | None = None


@dataclass
class RunResult(RunErrorDetails):
    """A run's result, or where it stands while calls wait for approval.

    Attributes:
        final_output: The answer; `None` while calls wait for approval.
        interruptions: The calls that wait, in call order, those of agents that run as tools among them.
        max_turns: The run's limit.
        run_id: The run, which is the workflow's id.
    """

    final_output: Any = None
    interruptions: list[ToolApprovalItem] = field(default_factory=list[ToolApprovalItem])
    max_turns: int | None = 10
    run_id: str = ""
    source: ResultSource = field(default_factory=ResultSource, repr=False, compare=False)

    @property
    def last_response_id(self) -> str | None:
        """The provider's id of the last answer."""
        return self.raw_responses[-1].response_id if self.raw_responses else None

    @property
    def agent_tool_invocation(self) -> AgentToolInvocation | None:
        """The call that an agent as a tool answers; `None` for a run of its own."""
        return self.source.invocation

    def to_input_list(
        self, *, mode: Literal["preserve_all", "normalized"] = "preserve_all"
    ) -> list[TResponseInputItem]:
        """The conversation as input for another run.

        Args:
            mode: `"preserve_all"`: the input and all new items. `"normalized"`: what the model would get next, which
                is something else once a handoff has edited it.

        Raises:
            ValueError: There is no such mode.
        """
        if mode not in ("preserve_all", "normalized"):
            raise ValueError(f'Unsupported to_input_list mode: {mode}; it must be "preserve_all" or "normalized".')
        if mode == "normalized" and self.source.model_input is not None:
            return [dict(item) for item in self.source.model_input]
        return input_items(self.input) + [self._input_item(item) for item in self._said_outside_the_input()]

    def _said_outside_the_input(self) -> list[RunItem]:
        """The new items but those that wait, and but those that nested history keeps in the input."""
        kept, said = list(self.source.nested), list[RunItem]()
        for item in self.new_items:
            if item.data in kept:
                kept.remove(item.data)
            elif not isinstance(item, ToolApprovalItem):
                said.append(item)
        return said

    def _input_item(self, item: RunItem) -> TResponseInputItem:
        data = item.to_input_item()
        if self.source.omits_reasoning_ids and isinstance(item, ReasoningItem):
            return {name: value for name, value in data.items() if name != "id"}
        return data

    def final_output_as(self, cls: type[_T], raise_if_incorrect_type: bool = False) -> _T:
        """The final output as a type, checked only if asked.

        Raises:
            TypeError: It is of another type and `raise_if_incorrect_type` is set.
        """
        if raise_if_incorrect_type and not isinstance(self.final_output, cls):
            raise TypeError(f"Final output is a {type(self.final_output).__name__}, not a {cls.__name__}.")
        return self.final_output

    def to_state(self) -> RunState[Any]:
        """The run as a state: `Runner.run(agent, state)` goes on from here.

        While calls wait, it is a draft of decisions about them. Of a finished run, the model is asked once more.
        """
        from perdure.state import RunState

        document = {"run_id": self.run_id, "agent": self.last_agent.name, **self.source.document()}
        return RunState(document, list(self.interruptions), self.context_wrapper.context)

    def release_agents(self, release_new_items: bool = True) -> None:
        """Lets go of the agents, so that a kept result does not keep them: only their names remain.

        Args:
            release_new_items: Whether the items let go of theirs, too.
        """
        names: dict[int, Agent[Any]] = {}

        def named(agent: Agent[Any]) -> Agent[Any]:
            return names.setdefault(id(agent), Agent(name=agent.name))

        if release_new_items:
            for item in [*self.new_items, *self.interruptions]:
                for attribute in ("agent", "source_agent", "target_agent"):
                    if hasattr(item, attribute):
                        setattr(item, attribute, named(getattr(item, attribute)))
        self.last_agent = named(self.last_agent)

    def _lines(self) -> list[str]:
        if self.interruptions:
            waiting = ", ".join(f"{item.id} ({item.tool_name})" for item in self.interruptions)
            said = f"  waits for a decision about {waiting}"
        else:
            text = str(self.final_output)
            shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
            said = f"  final output ({type(self.final_output).__name__}): {shown}"
        return [said, *super()._lines()]
