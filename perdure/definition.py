"""An agent as it travels: data without code, fixed for the whole run.

A run takes a snapshot of its agents at the start. What is static in it (texts, schemas, settings) holds until the run
ends, whatever is deployed meanwhile; what is a function is named by it and evaluated by the deployed code.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from perdure.canonical import digest_of
from perdure.errors import UserError

LONGEST_SESSION_ID = 1000  # characters; it is part of each step about the session


class Frozen(BaseModel):
    """A value that crosses a process border: fields are only ever added, with defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class GuardrailDefinition(Frozen):
    """A guardrail: its name, and whether it runs beside the first model call (input guardrails only)."""

    name: str
    parallel: bool = False


class RunRules(Frozen):
    """What of a `RunConfig`, of run hooks and of error handlers the loop has to know; for agents as tools, too.

    Attributes:
        hooks: The events that the run's hooks listen to, as `"on_agent_start"`.
        handoff_filter: Whether a run-wide filter edits what the next agent gets.
        nest_handoffs: Whether the next agent gets the conversation so far as one message.
        filters_model_input: Whether a function edits each request.
        formats_errors: Whether a function words what the model is told of rejected and unknown calls.
        tell_unknown_tools: Whether the model is told of a tool that it does not have, instead of ending the run.
        guardrails_before_approval: Whether tool input guardrails run before a human is asked, and not only after.
        max_parallel_tools: How many function tools of a response run at once.
        omit_reasoning_ids: Whether later requests leave the ids of reasoning items out.
        error_handlers: The kinds of errors that a function may turn into a final output.
    """

    input_guardrails: tuple[GuardrailDefinition, ...] = ()
    output_guardrails: tuple[GuardrailDefinition, ...] = ()
    hooks: tuple[str, ...] = ()
    handoff_filter: bool = False
    nest_handoffs: bool = False
    filters_model_input: bool = False
    formats_errors: bool = False
    tell_unknown_tools: bool = False
    guardrails_before_approval: bool = False
    max_parallel_tools: int | None = None
    omit_reasoning_ids: bool = False
    error_handlers: tuple[str, ...] = ()


class SessionDefinition(Frozen):
    """A session as a run knows it.

    Attributes:
        limit: How many items of its history are read; `None`: as many as it says itself.
        store: Where it lies and how it is opened, for workers that do not have the object; no password.
    """

    session_id: str = Field(max_length=LONGEST_SESSION_ID)
    limit: int | None = Field(default=None, ge=0)
    store: dict[str, Any] | None = None


class AgentToolDefinition(Frozen):
    """An agent as a tool: which agent runs when it is called, and how.

    Attributes:
        agent: The agent's key in the snapshot.
        on_failure: What a failed run becomes: a text of ours, one that a function of the user makes, or the outer
            run's own failure.
        builds_input: Whether functions or types of the user make the input from the arguments.
        extracts_output: Whether a function of the user makes the output.
        streams: Whether a function of the user is told what happens in the run.
        previous_response_id: The answer that its run continues, kept by the provider.
        conversation_id: The conversation of the provider that its run belongs to.
        session: What its runs remember.
    """

    agent: str
    max_turns: int | None = 10
    on_failure: Literal["text", "function", "raise"] = "text"
    builds_input: bool = False
    extracts_output: bool = False
    streams: bool = False
    rules: RunRules = RunRules()
    previous_response_id: str | None = None
    conversation_id: str | None = None
    session: SessionDefinition | None = None


class ToolDefinition(Frozen):
    """A tool as the model sees it, and how its calls are treated.

    Attributes:
        wire: The tool in the form of the Responses API.
        hosted: Whether the provider runs it.
        needs_approval: Whether a call waits for a decision; `"rule"`: a function of the user says so for each call.
        effect: `"once"`: a call runs at most once, and one whose outcome nobody knows waits for a person's word.
        local: Whether a call is made where the run is, as a local activity.
        key: What may happen only once, whichever call or run asks for it; see `FunctionTool`.
        enabled_by_rule: Whether a function of the user says on each turn if the tool is offered.
        agent: The agent that runs when the tool is called, if it is one.
        fingerprint: Names this very definition; a worker whose tool differs does not run the call.
    """

    name: str
    wire: dict[str, Any]
    hosted: bool = False
    include: tuple[str, ...] = ()
    needs_approval: bool | Literal["rule"] = False
    effect: Literal["once", "repeatable"] = "repeatable"
    local: bool = False
    key: str | None = None
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    takes_context: bool = False
    enabled_by_rule: bool = False
    input_guardrails: tuple[str, ...] = ()
    output_guardrails: tuple[str, ...] = ()
    agent: AgentToolDefinition | None = None
    fingerprint: str = ""


class HandoffDefinition(Frozen):
    """A handoff as the model sees it: a tool whose call makes another agent the active one.

    Attributes:
        agent: The other agent's key in the snapshot; `None` if only a function of the user can tell.
        invokes: Whether a function of the user is called.
        filters: Whether a function of the user edits what the next agent gets.
        nest: Whether the next agent gets the conversation so far as one message; `None`: as the run says.
    """

    tool_name: str
    wire: dict[str, Any]
    agent: str | None = None
    invokes: bool = False
    filters: bool = False
    nest: bool | None = None
    enabled_by_rule: bool = False

    @property
    def input_fingerprint(self) -> str:
        """Names what the handoff takes as input; a worker whose handoff takes another one does not do it."""
        return digest_of(self.wire.get("parameters"))


class RetryDefinition(Frozen):
    """How often and after how long a failed model call is repeated, in Temporal's terms."""

    attempts: int = Field(gt=0)
    initial_seconds: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    multiplier: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    longest_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)


class AgentDefinition(Frozen):
    """An agent as data.

    Attributes:
        instructions: The system prompt, unless a function makes it.
        instructions_by_rule: Whether a function of the user makes it on each turn; `prompt_by_rule` likewise.
        model: The model's name; `None` with `model_object`: an object of the deployed agent.
        provider: What the run's `MultiProvider` says in plain values; what it is, where the run's process has it.
        settings: `ModelSettings` as JSON, the run's laid over the agent's.
        output_format: The output type as the Responses API's `text.format`; `None` for plain text.
        tool_use: What follows a tool call: the model, the end of the run, or what a function of the user says.
        stop_at: The tools whose output ends the run.
        hooks: The events that the agent's own hooks listen to, by the names of the run's hooks.
    """

    name: str
    instructions: str | None = None
    instructions_by_rule: bool = False
    prompt: dict[str, Any] | None = None
    prompt_by_rule: bool = False
    model: str | None = None
    model_object: bool = False
    provider: dict[str, Any] | None = None
    settings: dict[str, Any] = {}
    retry: RetryDefinition | None = None
    tools: tuple[ToolDefinition, ...] = ()
    handoffs: tuple[HandoffDefinition, ...] = ()
    input_guardrails: tuple[GuardrailDefinition, ...] = ()
    output_guardrails: tuple[GuardrailDefinition, ...] = ()
    output_format: dict[str, Any] | None = None
    tool_use: Literal["run_llm_again", "stop_on_first_tool", "stop_at", "rule"] = "run_llm_again"
    stop_at: tuple[str, ...] = ()
    reset_tool_choice: bool = True
    hooks: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Names this very definition."""
        return digest_of(self.model_dump(mode="json", exclude_unset=True))

    @property
    def others(self) -> set[str]:
        """The keys of the agents that this one leads to."""
        nested = {tool.agent.agent for tool in self.tools if tool.agent is not None}
        return nested | {handoff.agent for handoff in self.handoffs if handoff.agent is not None}

    @cached_property
    def tools_by_name(self) -> dict[str, ToolDefinition]:
        """The function tools by name; of two with one name the last one counts."""
        return {tool.name: tool for tool in self.tools if not tool.hosted}

    @cached_property
    def handoffs_by_name(self) -> dict[str, HandoffDefinition]:
        """The handoffs by their tools' names; they come before tools of the same name."""
        return {handoff.tool_name: handoff for handoff in self.handoffs}

    @cached_property
    def calls_user_code(self) -> bool:
        """Whether a model call evaluates functions of this agent, which want the context."""
        by_rule = any(tool.enabled_by_rule for tool in self.tools) or any(
            handoff.enabled_by_rule for handoff in self.handoffs
        )
        listens = any(event in ("on_llm_start", "on_llm_end") for event in self.hooks)
        return self.instructions_by_rule or self.prompt_by_rule or by_rule or listens


class Snapshot(Frozen):
    """The agents of a run, by key, the one that starts, and what the run's configuration asks of the loop.

    An agent's key is its name; a further agent of the same name has a number after it.
    """

    start: str
    agents: dict[str, AgentDefinition]
    rules: RunRules = RunRules()

    def check(self) -> None:
        """Makes sure that a run can go by it.

        Raises:
            UserError: It leads to agents that it does not have, or a definition cannot travel on.
        """
        wanted = {self.start}
        for definition in self.agents.values():
            wanted |= definition.others
            _ = definition.digest  # which says what cannot travel
            seconds: Any = definition.settings.get("timeout")
            if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
                raise UserError(
                    f"The timeout of agent {definition.name!r:.80} is {seconds!r:.80}; give it seconds above 0."
                )
        if lacking := wanted - self.agents.keys():
            raise UserError(f"The snapshot lacks agents that it leads to: {', '.join(sorted(lacking)):.200}.")
