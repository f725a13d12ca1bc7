"""The options that come with a state, compared with what its run was started with: that is fixed."""

from __future__ import annotations

import json
from typing import Any, cast

from perdure.canonical import encode
from perdure.client.execution import Execution
from perdure.client.host import Host
from perdure.client.wanted import SETTINGS, TRACE_SETTINGS, Wanted, is_default
from perdure.contracts.messages import StatusView
from perdure.contracts.run import RunInput
from perdure.definition import AgentDefinition, RunRules
from perdure.errors import UserError
from perdure.models.multi_provider import MultiProvider
from perdure.session import NOT_WITH_PROVIDER
from perdure.settings import RunConfig
from perdure.snapshot import rules_of

# What traces are told changes nothing in a run under way.
_FIXED = [name for name in SETTINGS if name not in TRACE_SETTINGS]

# The option behind each rule whose name is another.
_OPTIONS = {
    "hooks": "hooks",
    "error_handlers": "error_handlers",
    "handoff_filter": "run_config.handoff_input_filter",
    "nest_handoffs": "run_config.nest_handoff_history",
    "filters_model_input": "run_config.call_model_input_filter",
    "formats_errors": "run_config.tool_error_formatter",
    "tell_unknown_tools": "run_config.tool_not_found_behavior",
    "guardrails_before_approval": "run_config.tool_execution",
    "max_parallel_tools": "run_config.tool_execution",
    "omit_reasoning_ids": "run_config.reasoning_item_id_policy",
}


async def check_options(host: Host, execution: Execution, run_id: str, wanted: Wanted) -> None:
    """Refuses options that the run was not started with; the same ones, and what is left out, are fine.

    Raises:
        UserError: An option is another than the run's own; the message names it.
    """
    await _check_session(host, execution, run_id, wanted)
    config, rules = wanted.config, rules_of(wanted.config, wanted.hooks, wanted.error_handlers)
    plain = RunConfig()
    has_settings = not all(is_default(config, name, plain) for name in _FIXED)
    is_plain = isinstance(config.model_provider, MultiProvider) and config.model_provider.is_default
    has_models = config.model is not None or config.model_settings is not None or not is_plain
    if rules == RunRules() and not has_settings and not has_models:
        return
    fixed: RunInput = await host.call(execution.query("definition", RunInput))
    other = [*_other_rules(rules, fixed), *_other_settings(wanted, fixed)]
    if other:
        raise UserError(
            f"Run {run_id!r} is fixed as it was started. Given with its state, and other than its own: "
            f"{', '.join(dict.fromkeys(other))}. Leave that out, or give the same; to have it, start a run with it."
        )


async def _check_session(host: Host, execution: Execution, run_id: str, wanted: Wanted) -> None:
    session = wanted.session_definition
    if session is None:
        return
    status: StatusView = await host.call(execution.query("status", StatusView))
    if status.kept is not None:
        check_no_session(wanted)
    fixed: RunInput = await host.call(execution.query("definition", RunInput))
    own = None if fixed.session is None else fixed.session.session_id
    if own != session.session_id:
        has = "none" if own is None else f"session {own!r}"
        raise UserError(
            f"Run {run_id!r} was started with {has}, and goes on with that; session {session.session_id!r} cannot take "
            "its place. Leave it out, or start a run with it."
        )


def check_no_session(wanted: Wanted) -> None:
    """Refuses a session where the provider keeps the conversation.

    Raises:
        UserError: There is one.
    """
    if wanted.session is not None:
        raise UserError(NOT_WITH_PROVIDER)


def _other_rules(given: RunRules, fixed: RunInput) -> list[str]:
    own = fixed.snapshot.rules if fixed.snapshot is not None else RunRules()
    found: list[str] = []
    for name, field in RunRules.model_fields.items():
        wanted, has = getattr(given, name), getattr(own, name)
        is_part = name == "error_handlers" and set(wanted) <= set(has)
        if wanted not in (field.default, has) and not is_part:
            found.append(_OPTIONS.get(name, f"run_config.{name}"))
    return found


def _other_settings(wanted: Wanted, fixed: RunInput) -> list[str]:
    config, plain = wanted.config, RunConfig()
    found = [
        f"run_config.{name}"
        for name in _FIXED
        if not is_default(config, name, plain) and getattr(config, name) != getattr(fixed.settings, name)
    ]
    if fixed.snapshot is None:
        return found
    first = fixed.snapshot.agents[fixed.snapshot.start]
    if config.model is not None and not _is_model_of(config.model, first):
        found.append("run_config.model")
    if config.model_settings is not None and not _is_part(config.model_settings.to_json(), first.settings):
        found.append("run_config.model_settings")
    provider = config.model_provider
    if isinstance(wanted.agent, str) and isinstance(provider, MultiProvider):
        found += [] if _is_part(provider.plain, first.provider or {}) else ["run_config.model_provider"]
    return found


def _is_model_of(model: Any, first: AgentDefinition) -> bool:
    return first.model == model if isinstance(model, str) else first.model_object


def _is_part(given: Any, whole: Any) -> bool:
    """Whether all that is given is in the whole, where both are mappings; else whether they are the same."""
    given = json.loads(encode(given))
    if not isinstance(given, dict) or not isinstance(whole, dict):
        return given == whole
    known = cast("dict[str, Any]", whole)
    return all(name in known and _is_part(value, known[name]) for name, value in cast("dict[str, Any]", given).items())
