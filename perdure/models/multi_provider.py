"""A provider that chooses by the name's prefix: `openai/…`, `litellm/…`, or prefixes of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from perdure.errors import UserError
from perdure.model import Model, ModelProvider
from perdure.models.litellm import LitellmProvider
from perdure.models.openai import OpenAIProvider

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_MODES = {"openai_prefix_mode": ("alias", "model_id"), "unknown_prefix_mode": ("error", "model_id")}


_DEFAULTS = {
    "openai_strict_feature_validation": False,
    "openai_prefix_mode": "alias",
    "unknown_prefix_mode": "error",
}


class MultiProviderMap:
    """Providers by prefix."""

    def __init__(self) -> None:
        self._providers: dict[str, ModelProvider] = {}

    def has_prefix(self, prefix: str) -> bool:
        """Whether a provider has this prefix."""
        return prefix in self._providers

    def get_mapping(self) -> dict[str, ModelProvider]:
        """A copy of the map."""
        return dict(self._providers)

    def set_mapping(self, mapping: dict[str, ModelProvider]) -> None:
        """Replaces the whole map."""
        self._providers = dict(mapping)

    def get_provider(self, prefix: str) -> ModelProvider | None:
        """The provider of a prefix."""
        return self._providers.get(prefix)

    def add_provider(self, prefix: str, provider: ModelProvider) -> None:
        """Sets the provider of a prefix, written without the slash."""
        self._providers[prefix] = provider

    def remove_provider(self, prefix: str) -> None:
        """Takes a prefix out."""
        self._providers.pop(prefix, None)


class MultiProvider(ModelProvider):
    """Chooses the provider by what stands before the name's first slash; a name without one is OpenAI's.

    Args:
        provider_map: Providers of one's own by prefix; they come before `openai` and `litellm`.
        openai_api_key: As all that begin with `openai_`: for the provider of OpenAI's models.
        openai_base_url: The API's address.
        openai_client: A client of one's own.
        openai_organization: OpenAI's organization.
        openai_project: OpenAI's project.
        openai_use_responses: Through which API OpenAI's models are asked.
        openai_strict_feature_validation: See `OpenAIChatCompletionsModel`.
        openai_prefix_mode: `"model_id"`: `openai/x` is a model's whole name, not the model `x` of OpenAI.
        unknown_prefix_mode: `"model_id"`: a name with another prefix is a model's whole name, as servers of one's
            own have them; an error otherwise.

    Attributes:
        plain: The values that are set and may travel to another process.
        bound: The names of the others that are set: objects, secrets, and an address, to which the worker of a run
            would send its own key.
    """

    def __init__(
        self,
        *,
        provider_map: MultiProviderMap | None = None,
        openai_api_key: str | None = None,
        openai_base_url: str | None = None,
        openai_client: AsyncOpenAI | None = None,
        openai_organization: str | None = None,
        openai_project: str | None = None,
        openai_use_responses: bool | None = None,
        openai_strict_feature_validation: bool = False,
        openai_prefix_mode: Literal["alias", "model_id"] = "alias",
        unknown_prefix_mode: Literal["error", "model_id"] = "error",
    ) -> None:
        modes = {"openai_prefix_mode": openai_prefix_mode, "unknown_prefix_mode": unknown_prefix_mode}
        for name, mode in modes.items():
            if mode not in _MODES[name]:
                raise UserError(f"{name} is {mode!r}; it must be {' or '.join(map(repr, _MODES[name]))}.")
        self.bound = _set(provider_map=provider_map, openai_api_key=openai_api_key, openai_client=openai_client,
                          openai_base_url=openai_base_url).keys()  # fmt: skip  # an argument a line says no more
        self.plain = _set(openai_organization=openai_organization, openai_project=openai_project,
                          openai_use_responses=openai_use_responses, **modes,
                          openai_strict_feature_validation=openai_strict_feature_validation)  # fmt: skip  # as above
        self.provider_map = provider_map
        self._openai_prefix_is_alias = openai_prefix_mode == "alias"
        self._refuses_unknown = unknown_prefix_mode == "error"
        self._litellm = LitellmProvider()
        self._openai = OpenAIProvider(
            api_key=openai_api_key,
            base_url=openai_base_url,
            openai_client=openai_client,
            organization=openai_organization,
            project=openai_project,
            use_responses=openai_use_responses,
            strict_feature_validation=openai_strict_feature_validation,
        )

    @property
    def is_default(self) -> bool:
        """Whether it is what a run without a provider of its own has."""
        return type(self) is MultiProvider and not self.plain and not self.bound

    def get_model(self, model_name: str | None) -> Model:
        """The model of this name.

        Raises:
            UserError: No provider has the name's prefix.
        """
        prefix, slash, name = (model_name or "").partition("/")
        if not slash:
            return self._openai.get_model(model_name)
        own = self.provider_map.get_provider(prefix) if self.provider_map is not None else None
        if own is not None:
            return own.get_model(name)
        if prefix == "litellm":
            return self._litellm.get_model(name)
        if prefix == "openai":
            return self._openai.get_model(name if self._openai_prefix_is_alias else model_name)
        if self._refuses_unknown:
            raise UserError(
                f"Unknown prefix: {prefix} (of the model {model_name!r}). Write openai/{model_name} if that is its "
                "name at the server of OPENAI_BASE_URL, litellm/… for another maker's model, or give a provider_map."
            )
        return self._openai.get_model(model_name)

    async def aclose(self) -> None:
        """Closes the connections of all providers."""
        own = list(self.provider_map.get_mapping().values()) if self.provider_map is not None else []
        for provider in [self._openai, self._litellm, *own]:
            await provider.aclose()


def _set(**values: Any) -> dict[str, Any]:
    """The values that are others than by default."""
    return {name: value for name, value in values.items() if value is not None and value != _DEFAULTS.get(name)}
