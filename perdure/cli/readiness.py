"""What a worker lacks before it takes steps: gaps that keep it from serving at all, and gaps to know about."""

from __future__ import annotations

import importlib.util
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from perdure.cli.ending import CommandFailed, ExitCode
from perdure.cli.modules import FoundAgents
from perdure.errors import UserError
from perdure.model import DEFAULT_MODEL, Model
from perdure.models.defaults import openai_defaults
from perdure.models.litellm import LitellmModel
from perdure.models.multi_provider import MultiProvider
from perdure.models.wired import WiredModel
from perdure.prices import sources
from perdure.rooms import load_room
from perdure.settings import RunConfig
from perdure.snapshot import Member, members, snapshot


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing, in words that say what to do.

    Attributes:
        stops: Whether the worker cannot serve with it.
    """

    text: str
    stops: bool = False


def refuse(module: str, gaps: list[Gap]) -> None:
    """Lets nothing be served where a gap stops it.

    Raises:
        CommandFailed: With all such gaps.
    """
    stopping = [gap.text for gap in gaps if gap.stops]
    if stopping:
        lines = "".join(f"\n- {text}" for text in stopping)
        text = f"Module {module!r} is not served, as something is missing:{lines}"
        raise CommandFailed(ExitCode.USAGE, "WorkerNotReady", text, gaps=stopping)


def module_gaps(found: FoundAgents) -> list[Gap]:
    """What is wrong with a module's agents, their models and its factories; nobody is asked."""
    reached: list[Member] = []
    gaps = [
        *_factory_gaps("context_factory", found.context_factory, "the context", "a run's state"),
        *_factory_gaps("session_factory", found.session_factory, "the session", "a session's id"),
        *_price_gaps(),
    ]
    for variable, agent in found.agents.items():
        try:
            snapshot(agent, config := RunConfig())
        except (UserError, TypeError) as error:
            gaps.append(Gap(f"Agent {agent.name!r} (variable `{variable}`) cannot be run: {error}", stops=True))
        else:
            reached += members(agent, config).values()
    return gaps + _model_gaps(reached)


def _factory_gaps(name: str, factory: Callable[..., Any] | None, made: str, argument: str) -> Iterator[Gap]:
    if factory is None:
        return
    if inspect.iscoroutinefunction(factory):
        yield Gap(f"`{name}` is async; it must return {made} at once: make it a plain `def`.", stops=True)
    try:
        inspect.signature(factory).bind(None)
    except TypeError as error:
        yield Gap(f"`{name}` cannot be called with {argument} ({error}); let it take one argument.", stops=True)
    except ValueError:  # a callable of another language, which tells no parameters
        return


def _price_gaps() -> Iterator[Gap]:
    try:
        sources()
    except UserError as error:
        yield Gap(f"{error.message} Until that is mended, what runs cost is unknown.")


def _model_gaps(reached: list[Member]) -> list[Gap]:
    """What the agents' models lack in this process, each gap once, with the agents that it is about."""
    gaps: dict[Gap, set[str]] = {}
    for member in reached:
        gap = _model_gap(member)
        if gap is not None:
            gaps.setdefault(gap, set()).add(repr(member.agent.name))
    return [Gap(gap.text.format(agents=", ".join(sorted(names))), gap.stops) for gap, names in gaps.items()]


def _model_gap(member: Member) -> Gap | None:
    """What an agent's model lacks; where a provider or model of the user's own answers, that is the user's matter."""
    named, provider = member.agent.model if member.config.model is None else member.config.model, None
    if not isinstance(named, Model):
        provider = member.config.model_provider
        if not isinstance(provider, MultiProvider) or provider.provider_map is not None:
            return None
        try:
            named = provider.get_model(named)
        except UserError as error:
            text = str(error).replace("{", "{{").replace("}", "}}")
            return Gap(f"No provider has the model of {{agents}}, unless a run's own provider has: {text}")
    if not isinstance(named, WiredModel) or not load_room("activities.providers.wiring").is_wired(named):
        return None
    if isinstance(named, LitellmModel):
        missing = importlib.util.find_spec("litellm") is None
        text = 'The model of {agents} is asked through litellm, which is not installed: pip install "perdure[litellm]".'
        return Gap(text, stops=True) if missing else None
    return None if named.openai_client is not None or _has_key() else Gap(_NO_KEY)


_NO_KEY = (
    "OPENAI_API_KEY is not set, nor OPENAI_BASE_URL to a server that needs no key: until one of them is, runs of "
    f"{{agents}} fail when they ask their model (by default {DEFAULT_MODEL!r})."
)


def _has_key() -> bool:
    return bool(openai_defaults.key or os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"))
