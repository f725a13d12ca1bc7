"""What the caller of a run asks for, checked before anything starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from pydantic import ValidationError

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.contracts.run import RunSettings, problems_of
from perdure.contracts.threads import THREAD_PREFIX
from perdure.contracts.told import KeptView
from perdure.definition import SessionDefinition
from perdure.error_handlers import validate_error_handlers
from perdure.errors import UserError
from perdure.guardrail import NOT_WHERE_PROVIDER_KEEPS
from perdure.hooks import validate_run_hooks
from perdure.items import TResponseInputItem
from perdure.models.multi_provider import MultiProvider
from perdure.session import NOT_WITH_PROVIDER, check_portable, define_session
from perdure.settings import ModelSettings, RunConfig

LONGEST_MESSAGE_ID = 128
LONGEST_THREAD_ID = 900  # the server refuses ids of more than 1000 bytes

TRACE_SETTINGS = ("trace_id", "trace_metadata", "tracing_disabled", "trace_include_sensitive_data")
# What of a configuration has a place of its own among a run's settings.
SETTINGS = (
    "workflow_name",
    "group_id",
    "tool_output_format",
    "approval_timeout_seconds",
    "history_events",
    *TRACE_SETTINGS,
    "tool_output_bytes",
)


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
        session: What the run remembers; the id of one where a worker's module makes it.
        thread: The conversation that it is a message of; `message_id` names the message.
        watch: Told the run's id before the run starts, so that nothing is missed of it; `reach`: likewise, with the
            queue where other processes serve it.
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
    session: Any | str | None = None
    run_id: str | None = None
    thread: str | None = None
    message_id: str | None = None
    rerun: bool = False
    take_over: bool = False
    watch: Callable[[str], None] | None = None
    reach: Callable[[str, str], Awaitable[None]] | None = None

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

    def begins(self, run_id: str) -> None:
        """Says which run is about to start or go on."""
        if self.watch is not None:
            self.watch(run_id)

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
        self._check_thread()
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
            raise UserError(NOT_WITH_PROVIDER)
        _ = self.session_definition

    def _check_thread(self) -> None:
        if self.run_id is not None and self.run_id.startswith(THREAD_PREFIX):
            raise UserError(f"run_id is {self.run_id!r}, as threads have it; give thread=..., or another run_id.")
        if self.thread is None:
            if self.message_id is not None:
                raise UserError("message_id names a message of a thread; give thread=... with it, or leave it out.")
            return
        check_thread_id(self.thread)
        if self.message_id is not None:
            check_message_id(self.message_id)
        others = {
            "run_id": (self.run_id, "message_id names the message, and makes it be said once"),
            "session": (self.session, "the thread keeps the conversation itself"),
            "run_config.session_input_callback": (self.config.session_input_callback, "there is no session"),
            "run_config.session_settings": (self.config.session_settings, "there is no session"),
            "conversation_id, previous_response_id and auto_previous_response_id": (
                self.is_server_managed,
                "the thread keeps the conversation, not the provider",
            ),
        }
        for name, (given, why) in others.items():
            if given:
                raise UserError(f"thread={self.thread!r} cannot be combined with {name}: {why}. Leave one of them out.")

    @property
    def session_definition(self) -> SessionDefinition | None:
        """What the run has to know of its session, if it has one.

        Raises:
            UserError: It is none; or the agent is known by name, and a worker elsewhere cannot open it.
        """
        settings = self.config.session_settings
        if not isinstance(self.agent, str):
            return define_session(self.session, settings)
        if isinstance(self.session, str):
            given = {} if settings is None or settings.limit is None else settings.to_dict()
            return SessionDefinition(session_id=self.session, **given)
        if self.session is not None:
            check_portable(self.session, self.agent)
        return define_session(self.session, settings)


def check_thread_id(thread: Any) -> None:
    """Refuses what cannot name a thread.

    Raises:
        UserError: It is no text, or an empty or too long one.
    """
    if not _is_name(thread, LONGEST_THREAD_ID):
        said = _shown(thread)
        raise UserError(f"thread is {said}; give the conversation a name, a text of 1 to {LONGEST_THREAD_ID} bytes.")


def check_message_id(message_id: Any) -> None:
    """Refuses what cannot name a thread's message.

    Raises:
        UserError: It is no text, or an empty or too long one.
    """
    if not _is_name(message_id, LONGEST_THREAD_ID) or len(message_id) > LONGEST_MESSAGE_ID:
        said = _shown(message_id)
        raise UserError(f"message_id is {said}; name the message by a text of 1 to {LONGEST_MESSAGE_ID} characters.")


def _is_name(name: Any, longest: int) -> bool:
    """Whether it is a text that says something, in so many bytes; half of a pair of surrogates cannot travel."""
    try:
        return isinstance(name, str) and bool(name.strip()) and len(str.encode(name)) <= longest
    except UnicodeEncodeError:
        return False


def _shown(value: Any) -> str:
    return f"{value!r:.100}" if isinstance(value, str) else f"of type {type(value).__name__}"


def unwrapped(context: Any) -> Any:
    """The user's own object, also out of a `RunContextWrapper`."""
    wrapper = wrapper_of(context)
    return context if wrapper is None else wrapper.context


def wrapper_of(context: Any) -> RunContextWrapper[Any] | None:
    """The `RunContextWrapper` that a context was given in, if it was."""
    return cast("RunContextWrapper[Any]", context) if isinstance(context, RunContextWrapper) else None


def settings_of(config: RunConfig, *, by_name: bool) -> RunSettings:
    """What of a configuration travels: where an agent is known by name, all of it; nothing that is as by default."""
    plain = RunSettings()
    values = {name: value for name in SETTINGS if (value := getattr(config, name)) != getattr(plain, name)}
    if by_name and (more := _values(config)):
        values["config"] = more
    try:
        return RunSettings(**values)
    except ValidationError as error:
        raise UserError(f"run_config cannot travel: {problems_of(error)}") from None


def config_of(settings: RunSettings) -> RunConfig:
    """The configuration that a run of an agent by name was started with."""
    return RunConfig.of({**settings.config, **{name: getattr(settings, name) for name in SETTINGS}})


def with_settings(config: RunConfig, earlier: dict[str, Any]) -> RunConfig:
    """The configuration with the settings that an earlier run had, where it leaves them as by default."""
    plain = RunConfig()
    left = {name: earlier[name] for name in SETTINGS if name in earlier and is_default(config, name, plain)}
    return replace(config, **left) if left else config


def is_default(config: RunConfig, name: str, plain: RunConfig) -> bool:
    """Whether a setting is as by default."""
    return getattr(config, name) == getattr(plain, name)


def _values(config: RunConfig) -> dict[str, Any]:
    plain = RunConfig()
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(RunConfig) if field.name not in SETTINGS):
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
        "run_config.session_input_callback": config.session_input_callback,
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
