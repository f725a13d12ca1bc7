"""The floor: the same job as a bare Temporal workflow, written by hand, with nothing that it does not need.

A model call through the openai client with `previous_response_id` and the new items alone, one activity per tool call,
pydantic payloads, start-to-close timeouts and retries, no workflow sandbox (as in Perdure's own workflow). It has no
approvals, no transcript, no heartbeats, no details in the UI: it is what Temporal and the provider's client cost.
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import timedelta
from typing import Any, cast

from openai import AsyncOpenAI
from openai.types.responses import ResponseInputParam, ToolParam
from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from benchmarks.child import queue, serve_commands
from benchmarks.job import INSTRUCTIONS, MODEL_STEP, QUESTION, TOOL_DESCRIPTION, TOOL_SCHEMA, take_sample

QUEUE = "floor"
_RETRY = RetryPolicy(maximum_attempts=10)
_TIMEOUT = timedelta(seconds=60)
_TOOLS = [
    {"type": "function", "name": "sample", "description": TOOL_DESCRIPTION, "parameters": TOOL_SCHEMA, "strict": True}
]


class ModelCall(BaseModel):
    """What is new since the last call, and which call that was."""

    model: str
    items: list[dict[str, Any]]
    previous_response_id: str | None = None


class ModelAnswer(BaseModel):
    """The model's items, and the id that the next call goes on from."""

    response_id: str
    items: list[dict[str, Any]]


class ToolCall(BaseModel):
    """One tool call as the model made it."""

    call_id: str
    arguments: str


class Models:
    """The model call."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    @activity.defn(name=MODEL_STEP)
    async def call_model(self, call: ModelCall) -> ModelAnswer:
        """Asks the model."""
        response = await self._client.responses.create(
            model=call.model,
            instructions=INSTRUCTIONS,
            input=cast("ResponseInputParam", call.items),
            previous_response_id=call.previous_response_id,
            tools=cast("list[ToolParam]", _TOOLS),
        )
        items = [item.model_dump(mode="json", exclude_unset=True) for item in response.output]
        return ModelAnswer(response_id=response.id, items=items)


@activity.defn(name="tool.sample")
async def sample(call: ToolCall) -> dict[str, Any]:
    """Runs the tool."""
    output = take_sample(**json.loads(call.arguments))
    return {"call_id": call.call_id, "output": output, "type": "function_call_output"}


@workflow.defn(name="Floor", sandboxed=False)
class Floor:
    """The loop, by hand."""

    @workflow.run
    async def run(self, model: str) -> str:
        """Runs to the model's last word."""
        call = ModelCall(model=model, items=[{"role": "user", "content": QUESTION}])
        while True:
            answer = await workflow.execute_activity(
                MODEL_STEP, call, result_type=ModelAnswer, start_to_close_timeout=_TIMEOUT, retry_policy=_RETRY
            )
            outputs = [await self._call_tool(item) for item in answer.items if item["type"] == "function_call"]
            if not outputs:
                return answer.items[-1]["content"][0]["text"]
            call = ModelCall(model=model, items=outputs, previous_response_id=answer.response_id)

    async def _call_tool(self, item: dict[str, Any]) -> dict[str, Any]:
        return await workflow.execute_activity(
            sample,
            ToolCall(call_id=item["call_id"], arguments=item["arguments"]),
            start_to_close_timeout=_TIMEOUT,
            retry_policy=_RETRY,
        )


@workflow.defn(name="FloorWaiting", sandboxed=False)
class FloorWaiting:
    """A run whose first tool call waits for a word from outside."""

    def __init__(self) -> None:
        self._waits = False
        self._approved = False

    @workflow.run
    async def run(self, model: str) -> str:
        """Asks the model once, and waits."""
        call = ModelCall(model=model, items=[{"role": "user", "content": QUESTION}])
        answer = await workflow.execute_activity(
            MODEL_STEP, call, result_type=ModelAnswer, start_to_close_timeout=_TIMEOUT, retry_policy=_RETRY
        )
        self._waits = True
        await workflow.wait_condition(lambda: self._approved)
        return answer.response_id

    @workflow.signal
    async def approve(self) -> None:
        """The word."""
        self._approved = True

    @workflow.update
    async def until_it_waits(self) -> None:
        """Returns once the run waits."""
        await workflow.wait_condition(lambda: self._waits)


async def _main() -> None:
    client = await Client.connect(os.environ["BENCH_TEMPORAL"], data_converter=pydantic_data_converter)
    models = Models(AsyncOpenAI(max_retries=0))
    flows = [Floor, FloorWaiting]
    async with Worker(client, task_queue=queue(QUEUE), workflows=flows, activities=[models.call_model, sample]):
        await serve_commands()


if __name__ == "__main__":
    asyncio.run(_main())
