"""What a caller gives with a state takes the place of the objects that its run was started with in this process."""

from __future__ import annotations

import logging
from dataclasses import fields, replace
from typing import Any

from perdure.client.wanted import Wanted
from perdure.lending import Lent
from perdure.models.multi_provider import MultiProvider
from perdure.settings import RunConfig
from perdure.snapshot import members, snapshot
from perdure.state import RunState

_log = logging.getLogger("perdure")


def adopt(lent: Lent, wanted: Wanted, state: RunState[Any]) -> None:
    """Serves a run that is under way with the caller's objects; what the caller leaves out stays as it was.

    The run keeps its agents as it fixed them. Where those of the state are others, nothing takes the place of its own,
    and the log says so; other options have been refused before.

    Args:
        lent: What serves the run now.
        wanted: The hooks, handlers and configuration.
        state: The agent, if it was read from JSON.
    """
    lent.session = lent.session if wanted.session is None else wanted.session
    agent = lent.agent if state.agent is None or state.agent.name != lent.agent.name else state.agent
    config = _laid_over(lent.config, wanted.config)
    hooks = lent.hooks if wanted.hooks is None else wanted.hooks
    handlers: dict[str, Any] = lent.error_handlers | dict(wanted.error_handlers or {})
    if snapshot(agent, config, hooks, handlers) != snapshot(lent.agent, lent.config, lent.hooks, lent.error_handlers):
        _log.warning(
            "Run %r goes on with the objects that it was started with: the agents that came with its state are others.",
            state.run_id,
        )
        return
    lent.agent, lent.config, lent.hooks, lent.error_handlers = agent, config, hooks, handlers
    lent.members = {**lent.members, **members(agent, config)}


def _laid_over(config: RunConfig, given: RunConfig) -> RunConfig:
    """A configuration with what another one sets."""
    plain = RunConfig()
    values = {each.name: getattr(given, each.name) for each in fields(RunConfig)}
    values = {name: value for name, value in values.items() if not _is_plain(name, value, plain)}
    same = all(getattr(config, name) is value or getattr(config, name) == value for name, value in values.items())
    return config if same else replace(config, **values)


def _is_plain(name: str, value: Any, plain: RunConfig) -> bool:
    if name == "model_provider":
        return isinstance(value, MultiProvider) and value.is_default
    return value == getattr(plain, name)
