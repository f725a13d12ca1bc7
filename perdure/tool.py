"""Tools: functions that a model may call, and tools that its provider runs.

`@function_tool` makes a tool of a function: its signature and docstring become the schema that the model sees.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, cast, get_args, overload

from perdure.context import RunContextWrapper, ToolContext
from perdure.effects import EffectVerifier, check_key
from perdure.errors import UserError
from perdure.hosted_tools import HostedTool
from perdure.limits import LONGEST_LOCAL_SECONDS
from perdure.strict_schema import ensure_strict_json_schema
from perdure.tool_call import ToolErrorFunction, ToolFunction, default_tool_error_function, is_async, make_invoker
from perdure.tool_schema import DocstringStyle, function_schema

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.agent_tool import AgentTool
    from perdure.tool_guardrails import ToolInputGuardrail, ToolOutputGuardrail

Effect: TypeAlias = Literal["once", "repeatable"]
ToolTimeoutBehavior: TypeAlias = Literal["error_as_result", "raise_exception"]
EnabledRule: TypeAlias = "Callable[[RunContextWrapper[Any], Agent[Any]], bool | Awaitable[bool]]"
ApprovalRule: TypeAlias = Callable[[RunContextWrapper[Any], dict[str, Any], str], bool | Awaitable[bool]]

_BEHAVIORS = get_args(ToolTimeoutBehavior)
_EFFECTS = (None, *get_args(Effect))


@dataclass
class FunctionTool:
    """A tool that this program runs. Most are made by `function_tool`.

    Attributes:
        name: What the model calls.
        description: What it does, for the model.
        params_json_schema: The JSON schema of its arguments; made strict unless `strict_json_schema` is off.
        on_invoke_tool: Runs a call, given its `ToolContext` and the arguments as the model wrote them.
        strict_json_schema: Whether the provider enforces the schema. Strongly recommended.
        is_enabled: Whether the tool is offered: a bool, or a sync or async function of (context, agent).
        tool_input_guardrails: Checked before the tool runs.
        tool_output_guardrails: Checked after it.
        needs_approval: Whether a call waits for a human: a bool, or a function of (context, arguments, call id).
        timeout_seconds: How long a call may take.
        timeout_behavior: `"error_as_result"` tells the model, `"raise_exception"` ends the run.
        timeout_error_function: Makes the text for the model from (context, error) instead of the default one.
        defer_loading: Whether the provider loads the tool only when a search finds it.
        effect: `"once"`: a call runs at most once; one whose outcome nobody knows waits for a person's word. `None`
            means once for tools that need approval, repeatable for all others.
        key: What may happen only once, whichever call or run asks for it, as `"refund:{order_id}"` with the names of
            arguments in braces: the first result answers every later call. `None`: each call is its own.
        verify: Finds out, given (context, arguments), what became of a call that was lost: returns `Happened`, raises
            `DidNotHappen`, or returns `None` if it cannot tell. Sync or async.
        local: Whether a call runs where its run does, as a local activity: a third faster, for what is quick and may be
            repeated. A call that is lost, or says over 128 KiB, is made again as a step of its own.
        takes_context: Whether the tool reads the run's context.
        agent_tool: What the tool runs instead of `on_invoke_tool`, if it is an agent (`Agent.as_tool`).
    """

    name: str
    description: str
    params_json_schema: dict[str, Any]
    on_invoke_tool: Callable[[ToolContext[Any], str], Awaitable[Any]]
    strict_json_schema: bool = True
    is_enabled: bool | EnabledRule = True
    tool_input_guardrails: list[ToolInputGuardrail[Any]] | None = None
    tool_output_guardrails: list[ToolOutputGuardrail[Any]] | None = None
    needs_approval: bool | ApprovalRule = False
    timeout_seconds: float | None = None
    timeout_behavior: ToolTimeoutBehavior = "error_as_result"
    timeout_error_function: ToolErrorFunction | None = None
    defer_loading: bool = False
    _: KW_ONLY
    effect: Effect | None = None
    key: str | None = None
    verify: EffectVerifier | None = None
    local: bool = False
    takes_context: bool = True
    agent_tool: AgentTool | None = None

    def __post_init__(self) -> None:
        _check_fields(self)
        _check_effect(self)
        _check_local(self)
        if self.strict_json_schema:
            try:
                self.params_json_schema = ensure_strict_json_schema(self.params_json_schema)
            except UserError as error:
                raise UserError(f"Tool {self.name!r}: {error.message}") from error

    @property
    def resolved_effect(self) -> Effect:
        """`effect`, or what it means where it is not set."""
        return self.effect or ("repeatable" if self.needs_approval is False else "once")

    def to_wire(self) -> dict[str, Any]:
        """The tool in the form of the Responses API."""
        wire: dict[str, Any] = {
            "name": self.name,
            "parameters": self.params_json_schema,
            "strict": self.strict_json_schema,
            "type": "function",
            "description": self.description,
        }
        return wire | {"defer_loading": True} if self.defer_loading else wire


Tool: TypeAlias = FunctionTool | HostedTool


async def is_switched_on(tool: Any, context: RunContextWrapper[Any], agent: Agent[Any]) -> bool:
    """Whether a tool, or a handoff, is offered; its own function is asked where it has one."""
    rule: Any = getattr(tool, "is_enabled", True)
    said = rule(context, agent) if callable(rule) else rule
    return bool(await said if inspect.isawaitable(said) else said)


class FunctionToolOptions(TypedDict, total=False):
    """The options of `function_tool`; those without a remark are fields of `FunctionTool`."""

    name_override: str | None  # the function's name by default
    description_override: str | None  # the docstring's text by default
    docstring_style: DocstringStyle | None  # found out by default
    use_docstring_info: bool  # whether the docstring is read at all
    failure_error_function: ToolErrorFunction | None  # text for the model of what was raised; None: it ends the run
    strict_mode: bool  # whether the schema is strict
    is_enabled: bool | EnabledRule
    needs_approval: bool | ApprovalRule
    tool_input_guardrails: list[ToolInputGuardrail[Any]] | None
    tool_output_guardrails: list[ToolOutputGuardrail[Any]] | None
    timeout: float | None  # seconds that an async function may take
    timeout_behavior: ToolTimeoutBehavior
    timeout_error_function: ToolErrorFunction | None
    defer_loading: bool
    effect: Effect | None
    key: str | None
    verify: EffectVerifier | None
    local: bool


ToolDecorator: TypeAlias = Callable[[ToolFunction], FunctionTool]


@overload
def function_tool(func: ToolFunction, **options: Unpack[FunctionToolOptions]) -> FunctionTool: ...
@overload
def function_tool(func: None = None, **options: Unpack[FunctionToolOptions]) -> ToolDecorator: ...
def function_tool(
    func: ToolFunction | None = None,
    *,
    name_override: str | None = None,
    description_override: str | None = None,
    docstring_style: DocstringStyle | None = None,
    use_docstring_info: bool = True,
    failure_error_function: ToolErrorFunction | None = default_tool_error_function,
    strict_mode: bool = True,
    is_enabled: bool | EnabledRule = True,
    needs_approval: bool | ApprovalRule = False,
    tool_input_guardrails: list[ToolInputGuardrail[Any]] | None = None,
    tool_output_guardrails: list[ToolOutputGuardrail[Any]] | None = None,
    timeout: float | None = None,
    timeout_behavior: ToolTimeoutBehavior = "error_as_result",
    timeout_error_function: ToolErrorFunction | None = None,
    defer_loading: bool = False,
    effect: Effect | None = None,
    key: str | None = None,
    verify: EffectVerifier | None = None,
    local: bool = False,
) -> FunctionTool | ToolDecorator:
    """Makes a tool of a sync or async function; `FunctionToolOptions` says what each option does."""

    def decorate(function: ToolFunction) -> FunctionTool:
        schema = function_schema(
            function, docstring_style=docstring_style, name_override=name_override,
            description_override=description_override, use_docstring_info=use_docstring_info,
            strict_json_schema=strict_mode,
        )  # fmt: skip  # an argument a line would hide the two steps
        tool = FunctionTool(
            schema.name, schema.description, schema.params_json_schema,
            make_invoker(function, schema, failure_error_function), strict_mode, is_enabled, tool_input_guardrails,
            tool_output_guardrails, needs_approval, timeout, timeout_behavior, timeout_error_function, defer_loading,
            effect=effect, key=key, verify=verify, local=local, takes_context=schema.takes_context,
        )  # fmt: skip  # as above
        if timeout is not None and not is_async(function):
            raise ValueError(f"Tool {tool.name!r} is a sync function, which no timeout can stop. Make it async.")
        return tool

    return decorate if func is None else decorate(func)


def _check_fields(tool: FunctionTool) -> None:
    name, seconds = cast(Any, tool.name), cast(Any, tool.timeout_seconds)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UserError(f"A tool's name is {name!r}. Give it one of letters, digits, underscores and dashes.")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    in_range = seconds is None or not is_number or (math.isfinite(seconds) and seconds > 0)
    rules: dict[str, Any] = {"is_enabled": tool.is_enabled, "needs_approval": tool.needs_approval}
    formats = tool.timeout_error_function is None or callable(tool.timeout_error_function)
    for field, kind, fits, wanted in (
        *((one, TypeError, callable(it) or isinstance(it, bool), "a bool or a function") for one, it in rules.items()),
        ("timeout_error_function", TypeError, formats, "a function or None"),
        ("timeout_seconds", TypeError, seconds is None or is_number, "a positive number of seconds or None"),
        ("timeout_seconds", ValueError, in_range, "a positive, finite number of seconds or None"),
        ("timeout_behavior", ValueError, tool.timeout_behavior in _BEHAVIORS, f"one of {_BEHAVIORS}"),
        ("effect", ValueError, tool.effect in _EFFECTS, f"one of {_EFFECTS}"),
    ):
        if not fits:
            raise kind(f"Tool {name!r} has {field}={getattr(tool, field)!r}. Give {wanted}.")


def _check_effect(tool: FunctionTool) -> None:
    """Refuses a key, or a way to verify, that nothing would ever ask for."""
    if tool.verify is not None and not callable(tool.verify):
        raise TypeError(f"Tool {tool.name!r} has verify={tool.verify!r}. Give a function of (context, arguments).")
    if (tool.key is not None or tool.verify is not None) and tool.resolved_effect != "once":
        raise UserError(f'Tool {tool.name!r} has a key or verify, which are for effect="once". Give it that effect.')
    if tool.key is not None:
        check_key(tool.name, tool.key, tool.params_json_schema)


def _check_local(tool: FunctionTool) -> None:
    """Refuses to run where the run is what must not be repeated, is another run, or takes long."""
    if not isinstance(cast(Any, tool.local), bool):
        raise TypeError(f"Tool {tool.name!r} has local={tool.local!r}. Give a bool.")
    if not tool.local:
        return
    if tool.resolved_effect == "once":
        raise UserError(f"Tool {tool.name!r} is local, which is for calls that may be repeated, and once only. Choose.")
    if tool.agent_tool is not None:
        raise UserError(f"Tool {tool.name!r} is an agent, whose run takes its own steps. Leave local=True away.")
    if tool.timeout_seconds is not None and tool.timeout_seconds > LONGEST_LOCAL_SECONDS:
        raise UserError(
            f"Tool {tool.name!r} is local, which is for what is quick, and may take {tool.timeout_seconds} s; at most "
            f"{LONGEST_LOCAL_SECONDS:g} s. Leave local=True away, or give it less time."
        )
