"""Models of other makers, through the package litellm (`pip install "perdure[litellm]"`)."""

from __future__ import annotations

from perdure.errors import UserError
from perdure.model import Model, ModelProvider
from perdure.models.wired import WiredModel


class LitellmModel(WiredModel):
    """A model that litellm asks.

    Args:
        model: The name as litellm knows it, such as `anthropic/claude-sonnet-4-5`.
        base_url: The server's address; litellm knows the makers' own.
        api_key: The key; litellm reads the makers' variables, such as `ANTHROPIC_API_KEY`, from the worker's
            environment.
    """

    wire = "litellm"

    def __init__(self, model: str, base_url: str | None = None, api_key: str | None = None) -> None:
        super().__init__(model)
        self.base_url = base_url
        self.api_key = api_key


class LitellmProvider(ModelProvider):
    """Finds models of other makers by litellm's names."""

    def get_model(self, model_name: str | None) -> Model:
        """The model of this name.

        Raises:
            UserError: There is no name, and litellm has no default.
        """
        if not model_name:
            raise UserError("A model of litellm needs a name, such as litellm/anthropic/claude-sonnet-4-5.")
        return LitellmModel(model_name)
