"""The model as a run sees it: a request in, an answer out.

`Model` is the Agents SDK's interface, for models of your own. The providers in this project take a `ModelRequest`
instead, whose conversation is already JSON, because rebuilding typed objects of a whole conversation on every turn is
where agent frameworks lose most of their time.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from perdure.errors import UserError
from perdure.usage import Usage

if TYPE_CHECKING:
    from perdure.retry import ModelRetryAdvice, ModelRetryAdviceRequest

# What an agent without a model gets; a provider's cheapest current general model.
DEFAULT_MODEL = "gpt-5.6-luna"

Publish: TypeAlias = Callable[[Any], None]  # takes an event of an answer


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
        raw_usage: What the provider itself reported, with `ModelSettings(preserve_raw_usage=True)`.
    """

    output: list[Any]
    usage: Usage
    response_id: str | None
    request_id: str | None = None
    raw_usage: dict[str, Any] | None = None

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

    def stream_response(  # noqa: PLR0917  the Agents SDK's own signature
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
    ) -> AsyncIterator[Any]:
        """Answers one request as the Responses API's events, the last of which holds the whole answer."""
        raise UserError(f"{type(self).__name__} does not stream; give it a stream_response.")

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """What the model knows about a failure of its own; a coroutine function may stand here, too."""
        return None

    async def close(self) -> None:  # noqa: B027  most models hold nothing
        """Gives back what the model holds, as connections."""


class ModelProvider(ABC):
    """Finds the model of a name."""

    @abstractmethod
    def get_model(self, model_name: str | None) -> Model:
        """The model of this name; `None` asks for the provider's default."""

    async def aclose(self) -> None:  # noqa: B027  most providers hold nothing
        """Gives back what the provider's models hold."""


@dataclass(frozen=True)
class ModelRequest:
    """What a provider is asked.

    Attributes:
        model: The model's name; `None`: the prompt names it.
        instructions: The system prompt.
        input: The conversation, one canonical JSON object (UTF-8) per item; with `conversation_id` or
            `previous_response_id` only what the provider does not have.
        tools: The tools as the Responses API has them.
        settings: `perdure.ModelSettings`, merged.
        include: What the tools want included in the answer.
        output_format: The form of the answer, as `text.format` of the Responses API.
        previous_response_id: The answer that this request follows, where the provider keeps answers.
        conversation_id: The conversation that the provider keeps.
        prompt: A prompt that the provider keeps: its id, version and variables.
        prompt_cache_key: Names requests that begin alike; one that the settings give wins.
        is_repeated: Whether an earlier attempt may have sent this very request.
        publish: Takes each event of the answer, where somebody watches: then the answer is streamed.
    """

    model: str | None
    instructions: str | None
    input: Sequence[bytes]
    tools: Sequence[dict[str, Any]]
    settings: Any
    include: Sequence[str] = ()
    output_format: dict[str, Any] | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    prompt: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    is_repeated: bool = False
    publish: Publish | None = None


@dataclass(frozen=True)
class ModelAnswer:
    """What a provider answers: items as JSON objects of the Responses API, and what the request used.

    Attributes:
        model: The model that answered, as the provider names it.
        finish_reason: Why the answer ended, where the provider says so.
    """

    items: list[dict[str, Any]]
    usage: Usage
    response_id: str | None = None
    request_id: str | None = None
    raw_usage: dict[str, Any] | None = None
    model: str | None = None
    finish_reason: str | None = None
