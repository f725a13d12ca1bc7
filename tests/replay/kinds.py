"""Runs of the kinds that Perdure has and the scenarios, which the Agents SDK plays as well, have not."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from perdure import RunCancelled, RunConfig, RunContextWrapper, Runner, function_tool
from perdure.client.host import Host
from perdure.contracts.effects import EffectOutcome
from perdure.testing import tool_call
from tests.agents import refund_call, scripted
from tests.conformance.model_server import ModelServer
from tests.end_to_end.redeploying import CHANGES, redeploy
from tests.replay.steering import steered
from tests.replay.threads import thread_of_each_kind

DEPLOYED = (
    "instructions",
    "a tool's argument renamed",
    "a tool removed",
    "an output guardrail removed",
    "another output type",
    "the active agent's handoff removed",
    "the agent removed",
)
LOOK_SECONDS = 0.1


async def run_each(server: ModelServer) -> dict[str, str]:
    """Runs one of each kind.

    Returns:
        The kind by the run's id.
    """
    found = await asyncio.gather(
        _too_late(), _signals(), _cancelled_while_waiting(), _cancelled_in_a_tool(), _long(), _long_without_a_pause(),
        _local_calls(),
        *(_unknown(outcome) for outcome in ("happened", "not_happened", "retry")),
    )  # fmt: skip
    found += [await steered(), await thread_of_each_kind()]
    deployed = await redeploy({kind: CHANGES[kind] for kind in DEPLOYED}, server, own_model=False)
    kinds = {each.run.id: f"deployed-{kind}" for kind, each in deployed.items()}
    return kinds | {run_id: run_id for run_ids in found for run_id in run_ids}


async def _too_late() -> list[str]:
    config = RunConfig(approval_timeout_seconds=1.0)
    run = await Runner.start(scripted(refund_call(), "sorry"), "please", run_id="approval-too-late", run_config=config)
    await run.result()
    return [run.id]


async def _signals() -> list[str]:
    calls = [refund_call("7", call_id="one"), refund_call("8", call_id="two")]
    run = await Runner.start(scripted(calls, "done"), "please", run_id="decided-by-signal")
    await run.result_or_interruptions()
    await _signal(run.id, "approve", {"call_id": "9.9"})
    await _signal(run.id, "approve", {"call_id": "1.0", "by": "ana"})
    await _signal(run.id, "reject", {"call_id": "1.1", "by": "ana", "reason": "too much"})
    await run.result()
    return [run.id]


async def _cancelled_while_waiting() -> list[str]:
    run = await Runner.start(scripted(refund_call(), "done"), "please", run_id="cancelled-while-it-waited")
    await run.result_or_interruptions()
    await run.cancel()
    with contextlib.suppress(RunCancelled):
        await run.result()
    return [run.id]


async def _cancelled_in_a_tool() -> list[str]:
    begun = asyncio.Event()

    @function_tool
    async def dig() -> str:
        """Dig."""
        begun.set()
        await asyncio.sleep(60)
        return "never"

    run = await Runner.start(scripted(tool_call("dig", {}), tools=[dig]), "please", run_id="cancelled-in-a-tool")
    await begun.wait()
    await run.cancel()
    with contextlib.suppress(RunCancelled):
        await run.result()
    return [run.id]


async def _long() -> list[str]:
    """Goes on in new histories, also while it waits for a decision and with input that was sent to it."""
    agent = scripted(*_additions(0, 8), refund_call(), *_additions(8, 16), refund_call("8"), "done")
    run = await Runner.start(agent, "go", run_id="long-with-pauses", max_turns=99, run_config=_short_histories())
    for call_id in ("9.0", "18.0"):
        await run.result_or_interruptions()
        await run.send("and a bag", message_id=call_id)
        await run.approve(call_id, by="ana")
    await run.result()
    return [run.id]


async def _long_without_a_pause() -> list[str]:
    agent = scripted(*_additions(0, 40), "done")
    run = await Runner.start(agent, "go", run_id="long", max_turns=99, run_config=_short_histories())
    await run.result()
    return [run.id]


async def _local_calls() -> list[str]:
    """More than one workflow task takes, one that says too much for it, one that fails, and an approval."""

    @function_tool(local=True)
    def look(ctx: RunContextWrapper[dict[str, str]], size: int) -> str:
        """Look."""
        ctx.context["seen"] = "x" * (150_000 // size)
        return f"seen {size}"

    several = [tool_call("look", {"size": size}) for size in range(1000, 1012)]
    agent = scripted(several, tool_call("look", {"size": 1}), tool_call("look", {"size": 0}), refund_call(), "done")
    agent.tools = [look, *agent.tools]
    run = await Runner.start(agent, "please", run_id="local-calls", context={"seen": ""})
    await run.result_or_interruptions()
    await run.approve("4.0", by="ana")
    await run.result()
    return [run.id]


async def _unknown(outcome: EffectOutcome) -> list[str]:
    """The first run leaves an effect of which nobody knows whether it happened, the second one asks."""
    failures = [ConnectionError("the bank hung up")]
    name = f"outcome-{outcome.replace('_', '-')}"

    @function_tool(effect="once", key=f"{name} of order 7")
    async def pay() -> str:
        """Pay."""
        if failures:
            raise failures.pop()
        return "paid"

    first = scripted(tool_call("pay", {}), "sorry", tools=[pay])
    await Runner.run(first, "please", run_id=f"{name}-before")
    run = await Runner.start(scripted(tool_call("pay", {}), "done", tools=[pay]), "please", run_id=name)
    while not (await run.status()).unknown:  # noqa: ASYNC110  what is unknown is no event
        await asyncio.sleep(LOOK_SECONDS)
    await run.resolve("1.0", outcome, result="paid by hand" if outcome == "happened" else None, by="ana")
    await run.result()
    return [f"{name}-before", name]


def _additions(start: int, upto: int) -> list[dict[str, Any]]:
    return [tool_call("add", {"a": number, "b": 1}) for number in range(start, upto)]


def _short_histories() -> RunConfig:
    return RunConfig(history_events=20)


async def _signal(run_id: str, name: str, message: dict[str, Any]) -> None:
    host = Host.current()
    client = (await host.call(host.connection())).client
    await host.call(client.get_workflow_handle(run_id).signal(name, message))
