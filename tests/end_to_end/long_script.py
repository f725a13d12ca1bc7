"""A run that reads 36 pages of 40 KB in short histories; prints how it ended, over how many."""

from __future__ import annotations

import asyncio
import json

from perdure import Agent, RunConfig, Runner, function_tool
from perdure.client.host import Host
from perdure.testing import ScriptedModel, tool_call

PAGES = 36


@function_tool
async def read(n: int) -> str:
    """Read a page."""
    return "x" * 40_000


async def main() -> None:
    """Runs it."""
    model = ScriptedModel([*(tool_call("read", {"n": n}) for n in range(PAGES)), "done"])
    config = RunConfig(history_events=60)
    run = await Runner.start(Agent(name="Reader", model=model, tools=[read]), "go", max_turns=None, run_config=config)
    result = await run.result()
    host = Host.current()

    async def histories() -> int:
        client = (await host.connection()).client
        return len([one async for one in client.list_workflows(f'WorkflowId = "{run.id}"')])

    warnings = (await run.status()).warnings
    told = {"end": result.final_output, "histories": await host.call(histories()), "warnings": warnings}
    print(json.dumps({**told, "items": len(result.new_items)}))


if __name__ == "__main__":
    asyncio.run(main())
