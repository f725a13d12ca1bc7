"""Prompts that the provider keeps: an agent names one, or a function of it does on each turn."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias, cast

from pydantic import BaseModel
from typing_extensions import TypedDict

from perdure.context import RunContextWrapper
from perdure.errors import UserError

if TYPE_CHECKING:
    from perdure.agent import Agent


class Prompt(TypedDict):
    """A prompt of the provider: its id, its version (the current one if it is not given) and what fills it in."""

    id: str
    version: NotRequired[str]
    variables: NotRequired[dict[str, Any]]


@dataclass
class GenerateDynamicPromptData:
    """What a function that names an agent's prompt is given."""

    context: RunContextWrapper[Any]
    agent: Agent[Any]


DynamicPromptFunction: TypeAlias = Callable[[GenerateDynamicPromptData], Prompt | Awaitable[Prompt]]


async def resolve_prompt(
    prompt: Prompt | DynamicPromptFunction | None, context: RunContextWrapper[Any], agent: Agent[Any]
) -> dict[str, Any] | None:
    """An agent's prompt as the `prompt` of a request to the Responses API; `None` without one.

    Raises:
        UserError: It is no prompt, or its function returned none.
    """
    if prompt is None:
        return None
    found: Any = prompt
    if callable(prompt):
        found = prompt(GenerateDynamicPromptData(context, agent))
        found = await found if inspect.isawaitable(found) else found
    if not isinstance(found, Mapping) or not isinstance(cast("Mapping[str, Any]", found).get("id"), str):
        whose = "The prompt function" if callable(prompt) else "The prompt"
        made = "returned" if callable(prompt) else "is"
        raise UserError(
            f'{whose} of agent {agent.name!r} {made} {found!r:.100}; a prompt is a dict like {{"id": "..."}}.'
        )
    named = cast("Mapping[str, Any]", found)
    return {"id": named["id"], "version": named.get("version"), "variables": _plain(named.get("variables"))}


def _plain(variables: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The variables as JSON; an input of the provider (a text, an image, a file) may be a typed object."""
    if variables is None:
        return None
    return {
        name: value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else value
        for name, value in variables.items()
    }
