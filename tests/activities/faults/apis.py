"""Both APIs of a provider: the agent that asks through one, and what the provider says in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from openai import AsyncOpenAI
from temporalio.exceptions import ApplicationError

from perdure import (
    Agent,
    ModelRetrySettings,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    RunResult,
)
from perdure.contracts.steps import CallModelInput
from tests.activities.loopback import Loopback, Received
from tests.activities.workbench import Workbench, cursor_of, user
from tests.conformance.answers import chat_completion, items_of, response
from tests.thoroughness import is_sampled

SOON = ModelRetrySettings(backoff={"initial_delay": 0.02, "max_delay": 0.02})  # as without settings, but waits less


@dataclass(frozen=True)
class Api:
    """One of the two."""

    name: str
    model: type[OpenAIResponsesModel] | type[OpenAIChatCompletionsModel]

    def agent(
        self,
        *tools: Any,
        model: str = "gpt-4o",
        client: AsyncOpenAI | None = None,
        retry: ModelRetrySettings | None = None,
    ) -> Agent[Any]:
        """An agent that asks through this API."""
        settings = ModelSettings(retry=retry)
        return Agent(name="A", model=self.model(model, client), tools=list(tools), model_settings=settings)

    def answer(self, *said: Any) -> dict[str, Any]:
        """An answer of these texts and items, as the API has it."""
        items = items_of(list(said), "a", 1)
        return (response if self.name == "responses" else chat_completion)(items, "gpt-4o", "a", 1)

    def said(self, *said: Any) -> bytes:
        """The same as it is sent."""
        return sent(self.answer(*said))


def sent(body: Any, **headers: str) -> bytes:
    """An answer with this body, or with these bytes, as it is sent."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "application/json", "content-length": str(len(content)), "connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + content


RESPONSES = Api("responses", OpenAIResponsesModel)
CHAT = Api("chat", OpenAIChatCompletionsModel)

through_both = pytest.mark.parametrize("api", [RESPONSES, CHAT], ids=lambda api: api.name)


@dataclass
class Asked:
    """How a run against a server of its own ended, and what the server was asked."""

    received: list[Received]
    result: RunResult | None = None
    error: Exception | None = None

    @property
    def told(self) -> tuple[Any, int]:
        """The final output, or the class of the error, and the number of requests."""
        assert self.result is not None or self.error is not None
        return (type(self.error) if self.result is None else self.result.final_output), len(self.received)


async def ask(
    api: Api,
    *replies: bytes | str,
    tools: tuple[Any, ...] = (),
    retry: ModelRetrySettings | None = None,
    max_turns: int | None = 10,
) -> Asked:
    """Runs an agent against a server that replies so."""
    async with Loopback() as server:
        server.replies += replies
        agent = api.agent(*tools, client=server.client(), retry=retry)
        try:
            return Asked(server.received, result=await Runner.run(agent, "go", max_turns=max_turns))
        except Exception as error:  # noqa: BLE001  its class is what is compared
            return Asked(server.received, error=error)


def some(api: Api, faults: Mapping[str, Any]) -> dict[str, Any]:
    """Half of these faults through one API, or all of them where tests are thorough."""
    return {name: fault for name, fault in faults.items() if is_sampled(f"{api.name} {name}", 2)}


async def ask_each(api: Api, replies: Mapping[str, tuple[bytes | str, ...]], **more: Any) -> dict[str, tuple[Any, int]]:
    """What runs against servers that reply so came to, all at the same time."""
    assert replies
    asked = await asyncio.gather(*(ask(api, *each, **more) for each in replies.values()))
    return {name: each.told for name, each in zip(replies, asked, strict=True)}


async def failure_of_one_attempt(agent: Agent[Any], **bench: Any) -> ApplicationError:
    """What an attempt of the step `call_model` that fails tells Temporal."""
    bench_ = Workbench(agent, **bench)
    cursor, new = cursor_of([user("hi")])
    call = CallModelInput(**bench_.step(), definition=bench_.definition().digest, cursor=cursor, items=new)
    with pytest.raises(ApplicationError) as raised:
        await bench_.ask_model(call)
    return raised.value
