"""Models of OpenAI, and of servers that speak one of its two APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.errors import UserError
from perdure.model import DEFAULT_MODEL, Model, ModelProvider
from perdure.models.defaults import openai_defaults
from perdure.models.wired import WiredModel

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAIResponsesModel(WiredModel):
    """A model that is asked through the Responses API."""

    wire = "responses"


class OpenAIChatCompletionsModel(WiredModel):
    """A model that is asked through the Chat Completions API, as most servers of one's own are.

    Args:
        model: The model's name.
        openai_client: The client that asks; `None`: the worker's own.
        strict_feature_validation: Refuse what this API has no place for (a stored prompt, a conversation that the
            provider keeps, outputs of tools without text) instead of leaving it out with a warning.
    """

    wire = "chat_completions"

    def __init__(
        self, model: str, openai_client: AsyncOpenAI | None = None, *, strict_feature_validation: bool = False
    ) -> None:
        super().__init__(model, openai_client)
        self.strict_feature_validation = strict_feature_validation


class OpenAIProvider(ModelProvider):
    """Finds models of OpenAI, or of the server at `base_url`.

    Without a client, a key and an address the worker's environment gives them, or `set_default_openai_client` and
    `set_default_openai_key`.

    Args:
        api_key: The key; it stays in this process.
        base_url: The API's address.
        openai_client: A client of one's own, instead of the other values.
        organization: OpenAI's organization.
        project: OpenAI's project.
        use_responses: Through which API; `None`: as `set_default_openai_api` says.
        strict_feature_validation: See `OpenAIChatCompletionsModel`.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        openai_client: AsyncOpenAI | None = None,
        organization: str | None = None,
        project: str | None = None,
        use_responses: bool | None = None,
        strict_feature_validation: bool = False,
    ) -> None:
        given = {"api_key": api_key, "base_url": base_url, "organization": organization, "project": project}
        self._given: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if openai_client is not None and self._given:
            raise UserError(f"openai_client is given, and {', '.join(self._given)} too; set them on the client.")
        self._client, self._owns_client = openai_client, openai_client is None
        self._use_responses = use_responses
        self._strict = strict_feature_validation

    def get_model(self, model_name: str | None) -> Model:
        """The model of this name; `None`: the default one."""
        name = DEFAULT_MODEL if model_name is None else model_name
        responses = openai_defaults.use_responses if self._use_responses is None else self._use_responses
        if not responses:
            return OpenAIChatCompletionsModel(name, self._own_client(), strict_feature_validation=self._strict)
        return OpenAIResponsesModel(name, self._own_client(), model_is_explicit=model_name is not None)

    def _own_client(self) -> AsyncOpenAI | None:
        if self._client is None and self._given:
            from openai import AsyncOpenAI

            key = self._given.get("api_key") or openai_defaults.key
            given: dict[str, Any] = self._given | ({"api_key": key} if key else {})
            self._client = AsyncOpenAI(**given, max_retries=0)
        return self._client or openai_defaults.client

    async def aclose(self) -> None:
        """Closes the connections; a client that was given stays open."""
        if self._owns_client and self._client is not None:
            await self._client.close()
            self._client = None
