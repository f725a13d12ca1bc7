"""What the caller of a run asks for, checked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, cast

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.contracts.run import KeptView, RunSettings
from perdure.error_handlers import validate_error_handlers
from perdure.errors import UserError
from perdure.guardrail import NOT_WHERE_PROVIDER_KEEPS
from perdure.hooks import validate_run_hooks
from perdure.items import TResponseInputItem
from perdure.models.multi_provider import MultiProvider
from perdure.settings import ModelSettings, RunConfig

# What of a configuration has a place of its own among a run's settings.
SETTINGS = ("workflow_name", "group_id", "tool_output_format", "approval_timeout_seconds", "history_events")
_SERVER_MANAGED = "conversation_id, previous_response_id, or auto_previous_response_id"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run as its caller asks for it.

    Attributes:
        agent: The agent, or the name of one that a worker serves.
        given: The input; empty where a state goes on.
        context: The user's own object, unwrapped; `wrapper`: what it was given in.
        rerun: If the run with this id has ended, start anew.
        take_over: Serve the run although it cannot be known whether its process is dead.
        task_queue: Where workers serve the agent by name.
        session: Not supported yet.
    """

    agent: Agent[Any] | str
    given: str | list[TResponseInputItem]
    task_queue: str
    config: RunConfig
    context: Any = None
    wrapper: RunContextWrapper[Any] | None = None
    max_turns: int | None = 10
    hooks: Any | None = None
    error_handlers: Any | None = None
    previous_response_id: str | None = None
    auto_previous_response_id: bool = False
    conversation_id: str | None = None
    session: Any | None = None
    run_id: str | None = None
    rerun: bool = False
    take_over: bool = False

    @property
    def is_server_managed(self) -> bool:
        """Whether the provider keeps the conversation."""
        return bool(self.conversation_id or self.previous_response_id or self.auto_previous_response_id)

    @property
    def kept(self) -> KeptView | None:
        """What the provider is to keep of the conversation, if anything."""
        if not self.is_server_managed:
            return None
        chains = self.conversation_id is None
        return KeptView(conversation_id=self.conversation_id, chains=chains, began_after=self.previous_response_id)

    def check(self) -> None:
        """Refuses what cannot work, before anything starts.

        Raises:
            UserError: An option is none, does not go with another, or is not supported; the message names it.
            TypeError: The hooks are not a run's.
        """
        limit = self.max_turns
        if limit is not None and (isinstance(limit, bool) or limit < 0):
            raise UserError(f"max_turns is {limit!r}; it must be a number from 0 on, or None for no limit.")
        validate_run_hooks(self.hooks)
        validate_error_handlers(self.error_handlers)
        self._check_session()
        if isinstance(self.agent, str):
            _refuse_objects(self)
            return
        refused = self.config.output_guardrails or self.agent.output_guardrails
        if self.is_server_managed and refused:
            raise UserError(NOT_WHERE_PROVIDER_KEEPS)

    def _check_session(self) -> None:
        if self.session is None:
            return
        if self.is_server_managed:
            raise UserError(f"Session persistence cannot be combined with {_SERVER_MANAGED}.")
        raise UserError(
            "This version of Perdure has no sessions. Until then give the next run the conversation so far: "
            "`result.to_input_list() + [{'role': 'user', 'content': ...}]`; or let the provider keep it: "
            "`conversation_id=...`."
        )


def unwrapped(context: Any) -> Any:
    """The user's own object, also out of a `RunContextWrapper`."""
    wrapper = wrapper_of(context)
    return context if wrapper is None else wrapper.context


def wrapper_of(context: Any) -> RunContextWrapper[Any] | None:
    """The `RunContextWrapper` that a context was given in, if it was."""
    return cast("RunContextWrapper[Any]", context) if isinstance(context, RunContextWrapper) else None


def settings_of(config: RunConfig, *, by_name: bool) -> RunSettings:
    """What of a configuration travels: where an agent is known by name, all of it."""
    values: dict[str, Any] = {name: getattr(config, name) for name in SETTINGS}
    return RunSettings(**values, config=_values(config) if by_name else {})


def config_of(settings: RunSettings) -> RunConfig:
    """The configuration that a run of an agent by name was started with."""
    return RunConfig.of({**settings.config, **{name: getattr(settings, name) for name in SETTINGS}})


def _values(config: RunConfig) -> dict[str, Any]:
    plain = RunConfig()
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(RunConfig)):
        value = getattr(config, name)
        if name == "model_provider":
            value = value.plain if isinstance(value, MultiProvider) else {}
        if value == getattr(plain, name) or value == {}:
            continue
        if isinstance(value, ModelSettings):
            values[name] = value.to_json()
        else:
            values[name] = value if _is_plain(value) else vars(value)
    return values


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | list | dict)


def _refuse_objects(wanted: Wanted) -> None:
    """Refuses functions and objects for an agent by name: it runs in another process, which does not have them."""
    config, provider = wanted.config, wanted.config.model_provider
    given = {
        "hooks": wanted.hooks,
        "error_handlers": wanted.error_handlers,
        "run_config.model": None if isinstance(config.model, str) else config.model,
        "run_config.model_provider": None if type(provider) is MultiProvider else provider,
        "run_config.handoff_input_filter": config.handoff_input_filter,
        "run_config.handoff_history_mapper": config.handoff_history_mapper,
        "run_config.input_guardrails": config.input_guardrails,
        "run_config.output_guardrails": config.output_guardrails,
        "run_config.call_model_input_filter": config.call_model_input_filter,
        "run_config.tool_error_formatter": config.tool_error_formatter,
        "run_config.model_settings.retry.policy": _retry_policy(config.model_settings),
    }
    refused = [name for name, value in given.items() if value]
    refused += [f"run_config.model_provider.{name}" for name in getattr(provider, "bound", ())]
    if refused:
        raise UserError(
            f"Agent {wanted.agent!r} is known by name, and runs where a worker serves it: {', '.join(refused)} cannot "
            "travel there. Set it in the worker's module, or give the Agent object."
        )


def _retry_policy(settings: ModelSettings | None) -> Any | None:
    return settings.retry.policy if settings is not None and settings.retry is not None else None
