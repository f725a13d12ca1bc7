"""Threads for tests: begun with scripted agents, and spoken to as any client of Temporal would."""

from __future__ import annotations

import uuid
from typing import Any

from temporalio.client import WorkflowHandle

from perdure import Agent, ModelResponse, Thread, Usage
from perdure.client.host import Host
from perdure.items import message_text
from perdure.testing import ScriptedModel, message


class EchoModel(ScriptedModel):
    """Says what was said last, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked: list[Any] = []

    async def get_response(self, system_instructions: str | None, input: Any, *rest: Any, **more: Any) -> ModelResponse:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.asked.append(input)
        text = f"you said {input[-1]['content']}"
        item = {"id": f"msg_{uuid.uuid4().hex}", **message(text)}
        return ModelResponse([item], Usage.of_request(10, 5), f"resp_{len(self.asked)}")


def echo(**options: Any) -> Agent[Any]:
    """An agent that says what was said last."""
    return Agent(name="Echo", model=EchoModel(), **options)


def new_name(said: str = "talk") -> str:
    return f"{said}-{uuid.uuid4().hex[:8]}"


async def handle_of(thread: str) -> WorkflowHandle[Any, Any]:
    """Temporal's own handle on a thread."""
    client = (await Host.current().call(Host.current().connection())).client
    return client.get_workflow_handle(f"thread/{thread}")


async def update(handle: WorkflowHandle[Any, Any], name: str, *values: Any) -> Any:
    return await Host.current().call(handle.execute_update(name, args=list(values)))


async def texts(thread: Thread) -> list[str]:
    """What was said in words, in order."""
    return [text_of(item) for item in await thread.history() if text_of(item)]


def text_of(item: Any) -> str:
    content = item.get("content")
    return content if isinstance(content, str) else message_text(item)
