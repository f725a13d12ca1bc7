"""The model as a run sees it: a request in, an answer out.

`Model` is the Agents SDK's interface, for models of your own. The providers in this project take a `ModelRequest`
instead, whose conversation is already JSON, because rebuilding typed objects of a whole conversation on every turn is
where agent frameworks lose most of their time.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perdure.usage import Usage

# What an agent without a model gets; a provider's cheapest current general model.
DEFAULT_MODEL = "gpt-5.6-luna"


class ModelTracing(enum.Enum):
    """Whether a model call is traced, and with its data."""

    DISABLED = 0
    ENABLED = 1
    ENABLED_WITHOUT_DATA = 2

    def is_disabled(self) -> bool:
        """Whether nothing is traced."""
        return self is ModelTracing.DISABLED

    def include_data(self) -> bool:
        """Whether inputs and outputs are traced."""
        return self is ModelTracing.ENABLED


@dataclass
class ModelResponse:
    """One answer of a model.

    Attributes:
        output: The answer's items: openai's typed output items, or JSON objects of the same shape.
        usage: What the request used.
        response_id: The provider's id of the answer, if it keeps it.
        request_id: The provider's id of the request, for support.
    """

    output: list[Any]
    usage: Usage
    response_id: str | None
    request_id: str | None = None

    def to_input_items(self) -> list[dict[str, Any]]:
        """The answer's items as input for another request."""
        return [item if isinstance(item, dict) else item.model_dump(exclude_unset=True) for item in self.output]


class Model(ABC):
    """A model of your own; give an object of it as an agent's `model`.

    It is called in an activity: a call whose worker dies is made again, so it should be safe to repeat.
    """

    @abstractmethod
    async def get_response(  # noqa: PLR0917  the Agents SDK's own signature
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: Any,
        tools: list[Any],
        output_schema: Any | None,
        handoffs: list[Any],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: Any | None,
    ) -> ModelResponse:
        """Answers one request; `input` is a list of Responses API input items."""


@dataclass(frozen=True)
class ModelRequest:
    """What a provider is asked.

    Attributes:
        model: The model's name.
        instructions: The system prompt.
        input: The conversation, one canonical JSON object (UTF-8) per item.
        tools: The tools as the Responses API has them.
        settings: `perdure.ModelSettings`, merged.
        include: What the tools want included in the answer.
    """

    model: str
    instructions: str | None
    input: Sequence[bytes]
    tools: Sequence[dict[str, Any]]
    settings: Any
    include: Sequence[str] = ()


@dataclass(frozen=True)
class ModelAnswer:
    """What a provider answers: items as JSON objects of the Responses API, and what the request used."""

    items: list[dict[str, Any]]
    usage: Usage
    response_id: str | None = None
    request_id: str | None = None
