"""A worker for runs that are started by anybody, and inputs that are right, to be spoilt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

from temporalio.client import Client, WorkflowHandle

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    ModelRetrySettings,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolGuardrailFunctionOutput,
    function_tool,
    input_guardrail,
    output_guardrail,
    tool_input_guardrail,
)
from perdure.client.blob_stores import blob_store
from perdure.client.host import Host
from perdure.compression import expanded
from perdure.contracts.converter import data_converter
from perdure.served import ServedAgents
from perdure.testing import ScriptedModel, message, tool_call
from tests.agents import refund, refund_call
from tests.chaos.fuzz.judge import BETWEEN_MESSAGES, WAITING
from tests.workflows.threads import new_name
from worker import WorkerSettings, build_worker

# What such a run may wait for beside a person: a model or a worker that there is not.
PHASES = (
    *WAITING, *BETWEEN_MESSAGES, "starting", "calling model", "running tools", "checking guardrails", "running hooks",
    "handing off",
)  # fmt: skip


@function_tool(timeout=30)
async def note(context: RunContextWrapper[Any], text: str) -> str:
    """Note a text."""
    context.context["noted"] = text
    return text


@tool_input_guardrail
def looks(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.allow(output_info={"call": data.context.tool_name})


@input_guardrail
async def listens(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info="heard", tripwire_triggered=False)


@output_guardrail
async def reads(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=[1, None], tripwire_triggered=False)


def agents() -> Agent[Any]:
    """An agent with a bit of everything; its run comes to wait for an approval, and one of its agent as a tool's."""
    inner = Agent[Any](name="Inner", model=ScriptedModel([refund_call("8"), "inner done"]), tools=[refund])
    other = Agent[Any](name="Other", model=ScriptedModel(["other done"]))
    note.tool_input_guardrails = [looks]
    script = [
        [message("first"), tool_call("note", {"text": "n"})],
        [refund_call("7"), tool_call("ask", {"input": "q"})],
        tool_call("transfer_to_other", {}),
    ]
    return Agent[Any](
        name="Outer",
        instructions="Help.",
        model_settings=ModelSettings(timeout=60, temperature=0.5, retry=ModelRetrySettings(max_retries=1)),
        model=ScriptedModel(script),
        tools=[note, refund, inner.as_tool("ask", "Asks.")],
        handoffs=[other],
        input_guardrails=[listens],
        output_guardrails=[reads],
    )


def as_thread(fresh: dict[str, Any]) -> dict[str, Any]:
    """What begins a thread of the agents of a run."""
    return {name: value for name, value in fresh.items() if not name.startswith("input")} | {"thread": {"agents": "a"}}


def as_message(fresh: dict[str, Any]) -> dict[str, Any]:
    """A message with agents of its own, which are those of a run."""
    settings = {"history_events": 20, "trace_metadata": {"a": 1}}
    given = {"message_id": "m1", "input": fresh["input"], "agent": fresh["agent"], "agents": "b", "by": "ana"}
    return {**given, "snapshot": fresh["snapshot"], "max_turns": 10, "context": {"who": "ana"}, "settings": settings}


async def _started_with(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    event = await anext(handle.fetch_history_events())
    return json.loads(expanded(event.workflow_execution_started_event_attributes.input.payloads[0]).data)


async def _state_of_a_thread(client: Client) -> dict[str, Any]:
    """What a thread goes on with in a new history: one message waits for a decision, another one behind it."""
    agent, options = agents(), {"thread": new_name("fuzz"), "run_config": RunConfig(history_events=20)}
    run, _ = [await Runner.start(agent, text, **options) for text in ("please", "then")]
    await run.result_or_interruptions()
    handle = client.get_workflow_handle(run.id)
    state = await _started_with(handle)
    assert "state" in state, "it has not gone on in a new history"
    await handle.cancel()
    return state


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[Client, str, dict[str, Any]]]:
    """A client, the queue of a worker that has the agents, and right inputs of runs by what they are."""
    host = Host.current()
    connection = await host.call(host.connection())
    client = await Client.connect(connection.address, namespace=connection.namespace, data_converter=data_converter)
    agent, queue = agents(), f"fuzz-{uuid.uuid4().hex[:8]}"
    run = await Runner.start(agent, "please", context={"who": "ana"})
    await run.result_or_interruptions()
    live = ServedAgents()
    live.serve([agent], asyncio.get_running_loop())
    handle = client.get_workflow_handle(run.id)
    fresh = await _started_with(handle)
    state = {"agent": agent.name, "state": await handle.query("state")}
    genuine = {"fresh": fresh, "by name": {"agent": agent.name, "input": fresh["input"]}, "state": state}
    genuine |= {"thread": as_thread(fresh), "state of a thread": await _state_of_a_thread(client)}
    await run.cancel()
    async with build_worker(client, live, blob_store(connection), WorkerSettings(queue)):
        yield client, queue, genuine
