"""Prompts that the provider keeps."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseInputText

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.errors import UserError
from perdure.prompts import GenerateDynamicPromptData, Prompt, resolve_prompt

AGENT = Agent[Any]("Clerk")
CONTEXT = RunContextWrapper[Any]("me")


async def resolve(prompt: Any) -> dict[str, Any] | None:
    return await resolve_prompt(prompt, CONTEXT, AGENT)


def named(data: GenerateDynamicPromptData) -> Prompt:
    return {"id": f"{data.agent.name} for {data.context.context}"}


async def named_later(data: GenerateDynamicPromptData) -> Prompt:
    return named(data)


async def test_an_agent_without_a_prompt_sends_none() -> None:
    assert await resolve(None) is None


async def test_what_is_not_given_is_sent_as_null() -> None:
    assert await resolve({"id": "p"}) == {"id": "p", "version": None, "variables": None}


async def test_version_and_variables_are_sent() -> None:
    prompt: Prompt = {"id": "p", "version": "2", "variables": {"name": "Ana", "file": {"type": "input_file"}}}

    assert await resolve(prompt) == prompt


async def test_a_typed_variable_is_sent_as_json() -> None:
    resolved = await resolve({"id": "p", "variables": {"a": ResponseInputText(text="t", type="input_text")}})

    assert resolved is not None
    assert resolved["variables"] == {"a": {"text": "t", "type": "input_text"}}


@pytest.mark.parametrize("function", [named, named_later])
async def test_a_function_names_the_prompt_by_context_and_agent(function: Any) -> None:
    assert await resolve(function) == {"id": "Clerk for me", "version": None, "variables": None}


@pytest.mark.parametrize("prompt", [5, "p", {"version": "1"}, {"id": None}], ids=str)
async def test_what_is_no_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(UserError, match="The prompt of agent 'Clerk' is"):
        await resolve(prompt)
    with pytest.raises(UserError, match="The prompt function of agent 'Clerk' returned"):
        await resolve(lambda data: prompt)
