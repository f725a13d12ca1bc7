"""A worker that serves an agent by name, as `perdure worker` does, for watchers in another process."""

from __future__ import annotations

import asyncio
from typing import Any

from openai import AsyncOpenAI

from benchmarks.child import serve_commands
from benchmarks.streaming_model import name
from perdure import Agent, OpenAIResponsesModel
from perdure.client.host import Host
from perdure.client.queues import NAMED_QUEUE


def agent_of(client: AsyncOpenAI, words: int, milliseconds: int) -> Agent[Any]:
    """The agent whose model says so many words."""
    return Agent(name=name(words, milliseconds), model=OpenAIResponsesModel(name(words, milliseconds), client))


async def _serve(command: dict[str, Any]) -> dict[str, Any]:
    client = AsyncOpenAI(base_url=command["url"], api_key="not-needed", max_retries=0)
    host, loop = Host.current(), asyncio.get_running_loop()
    host.served.serve([agent_of(client, *each) for each in command["agents"]], loop)
    host.lease(loop)
    await host.call(host.serve(NAMED_QUEUE))
    identity = (await host.call(host.connection())).client.identity
    return {"identity": identity}


if __name__ == "__main__":
    asyncio.run(serve_commands(run=_serve))
