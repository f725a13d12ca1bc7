"""Models and providers by name: OpenAI and compatible servers, LiteLLM, and a provider that chooses by prefix.

They say which model is meant; the code that asks it lies with the activities.
"""

from perdure.model import Model, ModelProvider
from perdure.models.defaults import set_default_openai_api, set_default_openai_client, set_default_openai_key
from perdure.models.litellm import LitellmModel, LitellmProvider
from perdure.models.multi_provider import MultiProvider, MultiProviderMap
from perdure.models.openai import OpenAIChatCompletionsModel, OpenAIProvider, OpenAIResponsesModel

__all__ = [
    "LitellmModel",
    "LitellmProvider",
    "Model",
    "ModelProvider",
    "MultiProvider",
    "MultiProviderMap",
    "OpenAIChatCompletionsModel",
    "OpenAIProvider",
    "OpenAIResponsesModel",
    "set_default_openai_api",
    "set_default_openai_client",
    "set_default_openai_key",
]
