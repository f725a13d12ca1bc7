"""What agents are made of whose model, tools and functions say what nobody expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from perdure import Agent, FunctionTool, Model, ModelResponse, Usage
from perdure.testing import message

TURNS = 12


class Bag:
    """Values, of which each is taken once."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values
        self.taken = 0

    def take(self) -> Any:
        """The next value; when there is none any more, an ordinary one."""
        if self.taken >= len(self.values):
            return "ordinary"
        self.taken += 1
        made = self.values[self.taken - 1]
        return made() if callable(made) else made

    @property
    def is_empty(self) -> bool:
        return self.taken >= len(self.values)


class Babbling(Model):
    """A model that says what a function makes of the turn, and ends at last."""

    def __init__(self, answer: Callable[[int], Any], turns: int = TURNS) -> None:
        self._answer = answer
        self._turns = turns
        self._turn = 0

    async def get_response(self, *_: Any, **__: Any) -> Any:
        self._turn += 1
        answer = self._answer(self._turn) if self._turn <= self._turns else [message("done")]
        return answer if isinstance(answer, ModelResponse) else response(answer)


def response(items: Any, **fields: Any) -> ModelResponse:
    """An answer of a model."""
    values = {"usage": Usage.of_request(1, 1), "response_id": None, **fields}
    return ModelResponse(output=items, **values)


@dataclass
class Insider:
    """One run's agent and how it is started."""

    agent: Agent[Any]
    options: dict[str, Any] = field(default_factory=dict[str, Any])


def calls(turn: int, name: str = "take", arguments: str = "{}", count: int = 1) -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "name": name, "arguments": arguments, "call_id": f"c{turn}.{n}"} for n in range(count)
    ]


def calling(name: str = "take", count: int = 3) -> Babbling:
    """A model that calls a tool, several times at once."""
    return Babbling(lambda turn: calls(turn, name, count=count))


def tool(body: Callable[[Any, str], Any], name: str = "take", **options: Any) -> FunctionTool:
    """A tool that is called with the text that the model wrote."""

    async def invoke(context: Any, arguments: str) -> Any:
        return body(context, arguments)

    schema = {"type": "object", "properties": {}}
    return FunctionTool(name, "Takes.", schema, invoke, strict_json_schema=False, **options)


def agent(model: Model, *tools: Any, **options: Any) -> Insider:
    """An insider of an agent."""
    run = options.pop("run", {})
    return Insider(Agent[Any](name="Insider", model=model, tools=list(tools), **options), run)


def told(context: Any, arguments: str) -> str:
    return f"{len(arguments)} characters"


class Report(BaseModel):
    """A typed output."""

    text: str
    number: int = 0
