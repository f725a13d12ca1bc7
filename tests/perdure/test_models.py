"""Models and providers by name, as in the Agents SDK."""

from __future__ import annotations

from typing import Any

import agents
import pytest
from openai import AsyncOpenAI

from perdure.errors import UserError
from perdure.model import DEFAULT_MODEL, Model, ModelProvider, ModelRequest
from perdure.models import (
    LitellmModel,
    MultiProvider,
    MultiProviderMap,
    OpenAIChatCompletionsModel,
    OpenAIProvider,
    OpenAIResponsesModel,
    set_default_openai_api,
    set_default_openai_client,
    set_default_openai_key,
)
from perdure.models.defaults import OpenAIDefaults, openai_defaults

CLIENT = AsyncOpenAI(api_key="k")
NAMES = ["gpt-4o", "openai/gpt-4o", "openai/foo/bar", "foo/bar", "foo/", "/x", "x/", None]


@pytest.fixture(autouse=True)
def as_new() -> Any:
    yield
    vars(openai_defaults).update(vars(OpenAIDefaults()))


def found(provider: Any, name: str | None) -> tuple[str, str]:
    try:
        model = provider.get_model(name)
    except (UserError, agents.UserError) as error:
        return ("refused", type(error).__name__)
    return (type(model).__name__, model.model)


@pytest.mark.parametrize(
    "modes",
    [{}, {"unknown_prefix_mode": "model_id"}, {"openai_prefix_mode": "model_id"}, {"openai_use_responses": False}],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_finds_the_model_of_the_agents_sdk(name: str | None, modes: dict[str, Any]) -> None:
    theirs = found(agents.MultiProvider(openai_client=CLIENT, **modes), name)
    assert found(MultiProvider(openai_client=CLIENT, **modes), name) == theirs


class Shop(ModelProvider):
    def get_model(self, model_name: str | None) -> Model:
        return OpenAIResponsesModel(f"shop's {model_name}")


def test_prefixes_of_ones_own_come_first() -> None:
    shops = MultiProviderMap()
    for prefix in ("shop", "openai"):
        shops.add_provider(prefix, Shop())
    provider = MultiProvider(provider_map=shops)
    assert found(provider, "shop/a/b") == ("OpenAIResponsesModel", "shop's a/b")
    assert found(provider, "openai/gpt-4o") == ("OpenAIResponsesModel", "shop's gpt-4o")
    shops.remove_provider("shop")
    assert found(provider, "shop/a") == ("refused", "UserError")


def test_an_unknown_prefix_is_told_with_what_to_write() -> None:
    with pytest.raises(UserError, match="openai/meta/llama"):
        MultiProvider().get_model("meta/llama")


def test_a_model_of_another_maker_is_litellms() -> None:
    model = MultiProvider().get_model("litellm/anthropic/claude-sonnet-4-5")
    assert isinstance(model, LitellmModel)
    assert model.model == "anthropic/claude-sonnet-4-5"


def test_without_a_name_it_is_the_default_model() -> None:
    model = OpenAIProvider().get_model(None)
    assert isinstance(model, OpenAIResponsesModel)
    assert (model.model, model.model_is_explicit, model.openai_client) == (DEFAULT_MODEL, False, None)


def test_a_mode_must_be_known() -> None:
    with pytest.raises(UserError, match="'error' or 'model_id'"):
        MultiProvider(unknown_prefix_mode="guess")  # pyright: ignore[reportArgumentType]  that is the case


def test_a_client_has_its_own_key() -> None:
    with pytest.raises(UserError, match="api_key"):
        OpenAIProvider(openai_client=CLIENT, api_key="k")


def test_the_default_api_holds_where_a_provider_says_nothing() -> None:
    set_default_openai_api("chat_completions")
    assert isinstance(MultiProvider().get_model("gpt-4o"), OpenAIChatCompletionsModel)
    assert isinstance(OpenAIProvider(use_responses=True).get_model("gpt-4o"), OpenAIResponsesModel)
    with pytest.raises(UserError, match="must be"):
        set_default_openai_api("telegraph")  # pyright: ignore[reportArgumentType]  that is the case


def test_the_default_client_asks_where_a_provider_has_none() -> None:
    set_default_openai_client(CLIENT)
    model = MultiProvider().get_model("gpt-4o")
    assert isinstance(model, OpenAIResponsesModel)
    assert model.openai_client is CLIENT


def test_the_default_key_stays_in_the_process() -> None:
    set_default_openai_key("sk-secret-0123456789")
    assert openai_defaults.key == "sk-secret-0123456789"
    provider = OpenAIProvider(base_url="http://localhost:1/v1")
    model = provider.get_model("m")
    assert isinstance(model, OpenAIResponsesModel)
    assert model.openai_client is not None
    assert model.openai_client.api_key == "sk-secret-0123456789"
    assert provider.get_model("n").openai_client is model.openai_client  # pyright: ignore[reportAttributeAccessIssue]  both are of one class


async def test_a_model_of_ones_own_needs_an_answer_and_nothing_else() -> None:
    class Echo(Model):
        async def get_response(self, *given: Any, **named: Any) -> Any:
            return given[1]

    model = Echo()
    await model.close()
    assert model.get_retry_advice(agents.ModelRetryAdviceRequest(ValueError(), 1, False)) is None  # pyright: ignore[reportArgumentType]  it is not read
    with pytest.raises(UserError, match="Echo does not stream"):
        model.stream_response(None, "", None, [], None, [], None, **dict.fromkeys(STATE))  # pyright: ignore[reportArgumentType]  it is not read


STATE = ("previous_response_id", "conversation_id", "prompt")


def test_a_request_is_new_unless_told_otherwise() -> None:
    request = ModelRequest("m", None, [], [], None)
    assert not request.is_repeated
    assert [getattr(request, name) for name in STATE] == [None, None, None]
