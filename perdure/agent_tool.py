"""Agents as tools: an agent that another one calls, which runs to its end and whose output is the tool's."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypedDict

from perdure.agent_tool_input import (
    AgentToolArguments,
    StructuredToolInputBuilder,
    StructuredToolInputResult,
    build_structured_input_schema_info,
    resolve_agent_tool_input,
)
from perdure.context import ToolContext
from perdure.errors import ModelBehaviorError, UserError
from perdure.hooks import validate_run_hooks
from perdure.items import message_text
from perdure.run_config import DEFAULT_MAX_TURNS, RunConfig
from perdure.session import NOT_WITH_PROVIDER, Session, check_session
from perdure.tool import ApprovalRule, EnabledRule, FunctionTool
from perdure.tool_call import ToolErrorFunction, default_tool_error_function
from perdure.tool_schema import parse_arguments

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.hooks import RunHooks
    from perdure.result import RunResult
    from perdure.stream_events import StreamEvent

logger = logging.getLogger(__name__)

OutputExtractor: TypeAlias = Callable[["RunResult"], Any]


class AgentToolStreamEvent(TypedDict):
    """What `on_stream` of an agent as a tool is told: an event of the agent's run, whose, and of which call."""

    event: StreamEvent
    agent: Agent[Any]
    tool_call: Any  # as the openai package has it


StreamHandler: TypeAlias = Callable[[AgentToolStreamEvent], Any]


@dataclass(frozen=True, eq=False)  # agents may be tools of each other: comparing them would not end
class AgentTool:
    """What a run needs to know of an agent that is a tool.

    Attributes:
        agent: The agent.
        arguments: What it is called with.
        custom_output_extractor: Makes the tool's output of the agent's result, instead of its final output.
        run_config: Its run's configuration; that of the calling run by default.
        max_turns: Its run's limit.
        hooks: Told what happens in its run.
        previous_response_id: The answer that its run continues, kept by the provider.
        conversation_id: The conversation of the provider that its run belongs to.
        session: What its runs remember.
        failure_error_function: Text for the calling model of a failed run; `None`: it ends the calling run.
        parameters: The type of its arguments; `None`: one text.
        input_builder: Makes its run's input of the arguments.
        include_input_schema: Whether that input may show the schema of `parameters`.
        on_stream: Told what happens in its run.
        on_stream_max_pending_events: How many events may wait for that.
    """

    agent: Agent[Any]
    arguments: AgentToolArguments
    custom_output_extractor: OutputExtractor | None
    run_config: RunConfig | None
    max_turns: int
    hooks: RunHooks[Any] | None
    previous_response_id: str | None
    conversation_id: str | None
    session: Any | None
    failure_error_function: ToolErrorFunction | None
    parameters: type[Any] | None
    input_builder: StructuredToolInputBuilder | None
    include_input_schema: bool
    on_stream: StreamHandler | None = None
    on_stream_max_pending_events: int | None = 1024


class AgentToolOptions(TypedDict, total=False):
    """The options of `Agent.as_tool`; those without a remark are fields of `AgentTool` or `FunctionTool`."""

    custom_output_extractor: OutputExtractor | None
    is_enabled: bool | EnabledRule
    on_stream: StreamHandler | None
    run_config: RunConfig | dict[str, Any] | None
    max_turns: int | None  # 10 by default
    hooks: RunHooks[Any] | None
    previous_response_id: str | None
    conversation_id: str | None
    session: Session | None
    failure_error_function: ToolErrorFunction | None
    needs_approval: bool | ApprovalRule
    parameters: type[Any] | None  # a pydantic model or a dataclass
    input_builder: StructuredToolInputBuilder | None
    include_input_schema: bool
    on_stream_max_pending_events: int | None  # events that may wait for `on_stream`


def agent_as_tool(
    agent: Agent[Any],
    tool_name: str | None,
    tool_description: str | None,
    *,
    custom_output_extractor: OutputExtractor | None = None,
    is_enabled: bool | EnabledRule = True,
    on_stream: StreamHandler | None = None,
    run_config: RunConfig | dict[str, Any] | None = None,
    max_turns: int | None = None,
    hooks: RunHooks[Any] | None = None,
    previous_response_id: str | None = None,
    conversation_id: str | None = None,
    session: Session | None = None,
    failure_error_function: ToolErrorFunction | None = default_tool_error_function,
    needs_approval: bool | ApprovalRule = False,
    parameters: type[Any] | None = None,
    input_builder: StructuredToolInputBuilder | None = None,
    include_input_schema: bool = False,
    on_stream_max_pending_events: int | None = 1024,
) -> FunctionTool:
    """An agent as a tool; `AgentToolOptions` says what each option does.

    Raises:
        UserError: An option cannot be what it is.
        TypeError: `parameters` is no model, or `run_config` no configuration.
    """
    name = tool_name or function_name(agent.name)
    _check_limit(name, "on_stream_max_pending_events", on_stream_max_pending_events, least=1)
    agent_tool = AgentTool(
        agent, AgentToolArguments(parameters), custom_output_extractor,
        None if run_config is None else RunConfig.of(run_config), DEFAULT_MAX_TURNS if max_turns is None else max_turns,
        hooks, previous_response_id, conversation_id, session, failure_error_function, parameters, input_builder,
        include_input_schema, on_stream, on_stream_max_pending_events,
    )  # fmt: skip  # an argument a line would make this the longest part of the module
    _check_options(name, agent_tool)
    return FunctionTool(
        name, tool_description or "", agent_tool.arguments.json_schema, _outside_of_a_run(name, agent),
        is_enabled=is_enabled, needs_approval=needs_approval, agent_tool=agent_tool,
    )  # fmt: skip  # as above


def plain_input(arguments: str, tool_name: str) -> str:
    """The input of an agent's run where the tool has neither `parameters` nor an input builder.

    Raises:
        ModelBehaviorError: The arguments hold no text `input`. The message does not repeat them.
    """
    value = parse_arguments(tool_name, arguments).get("input")
    if not isinstance(value, str):
        kind = "missing" if value is None else "string_type"
        raise ModelBehaviorError(f"Invalid JSON input for tool {tool_name}: input ({kind})")
    return value


async def build_input(
    agent_tool: AgentTool, ctx: ToolContext[Any], arguments: str
) -> tuple[StructuredToolInputResult, dict[str, Any] | None]:
    """The input of an agent's run, and the arguments as its context's `tool_input` shows them.

    Raises:
        ModelBehaviorError: The arguments do not fit, or the input builder returned neither a text nor items.
        Exception: Whatever the input builder raises.
    """
    if agent_tool.parameters is None and agent_tool.input_builder is None:
        return plain_input(arguments, ctx.tool_name), None
    params = agent_tool.arguments.parse(ctx.tool_name, arguments)
    schema = agent_tool.arguments.json_schema
    include = agent_tool.include_input_schema and agent_tool.parameters is not None
    info = build_structured_input_schema_info(schema, include_json_schema=include)
    return await resolve_agent_tool_input(params, info, agent_tool.input_builder), params


def default_agent_output(final_output: Any, items: Sequence[Mapping[str, Any]]) -> str:
    """A tool's output for the run of its agent: the final output as text.

    Where there is none (`None` or an empty text), it is the newest text among the run's items, given as input
    items in their order: a message's, or a tool's output.
    """
    if final_output is not None and final_output != "":
        return str(final_output)
    for item in reversed(items):
        text = message_text(dict(item)) if item.get("type") == "message" else item.get("output")
        if isinstance(text, str) and text:
            return text
    return ""


def function_name(agent_name: str) -> str:
    """An agent's name as that of a function: lower case, with `_` for all that is no ASCII letter or digit."""
    name = re.sub(r"[^a-z0-9_]", "_", agent_name.lower())
    if re.search(r"[^A-Za-z0-9_ ]", agent_name):
        logger.warning("Agent %r is called %r as a tool; give as_tool a name to choose another.", agent_name, name)
    return name


def _outside_of_a_run(name: str, agent: Agent[Any]) -> Callable[[ToolContext[Any], str], Awaitable[Any]]:
    async def on_invoke_tool(ctx: ToolContext[Any], arguments: str) -> NoReturn:
        raise UserError(f"Tool {name!r} is agent {agent.name!r}, which only a run can call. Use Runner.run with it.")

    return on_invoke_tool


def _check_options(name: str, agent_tool: AgentTool) -> None:
    for option in ("custom_output_extractor", "failure_error_function", "input_builder", "on_stream"):
        value = getattr(agent_tool, option)
        if value is not None and not callable(value):
            raise UserError(f"Tool {name!r} has {option}={value!r:.100}. Give a function or None.")
    _check_limit(name, "max_turns", agent_tool.max_turns, least=0)
    validate_run_hooks(agent_tool.hooks)
    if agent_tool.session is not None:
        check_session(agent_tool.session)
        if agent_tool.conversation_id or agent_tool.previous_response_id:
            raise UserError(NOT_WITH_PROVIDER)


def _check_limit(name: str, option: str, value: Any, *, least: int) -> None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_number and value >= least):
        raise UserError(f"Tool {name!r} has {option}={value!r:.100}. Give a number of at least {least}, or None.")
