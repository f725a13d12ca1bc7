"""Which provider a request goes to, and what a model of the user's own is given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from activities.providers.dispatch import LiveParts, Providers
from perdure.agent import Agent
from perdure.canonical import canonical
from perdure.definition import AgentDefinition
from perdure.errors import ModelTimeoutError, UserError
from perdure.model import DEFAULT_MODEL, Model, ModelProvider, ModelRequest, ModelResponse
from perdure.model_settings import ModelSettings
from perdure.models import MultiProvider, OpenAIChatCompletionsModel, OpenAIProvider, OpenAIResponsesModel
from perdure.run_config import RunConfig
from perdure.served import AgentNotServed, ServedAgents
from perdure.usage import Usage

from .loopback import KEY, Loopback, completed, text_item
from .test_openai_chat import completion

ITEM = {"role": "user", "content": "hi"}


class Recording(Model):
    def __init__(self, seconds: float = 0.0) -> None:
        self.given: list[Any] = []
        self.seconds = seconds

    async def get_response(self, *given: Any, **named: Any) -> ModelResponse:
        await asyncio.sleep(self.seconds)
        self.given = [*given[:2], *given[3:6], named]
        return ModelResponse([text_item("mine")], Usage(requests=1), "resp_1", raw_usage={"n": 1})


class OneModel(ModelProvider):
    def __init__(self, model: Any) -> None:
        self.model, self.asked = model, list[str | None]()

    def get_model(self, model_name: str | None) -> Model:
        self.asked.append(model_name)
        return self.model


def request(**values: Any) -> ModelRequest:
    given: dict[str, Any] = {"model": DEFAULT_MODEL, "settings": ModelSettings(), "tools": [], **values}
    return ModelRequest(instructions=None, input=[canonical(ITEM)], **given)


def providers() -> Providers:
    served = ServedAgents()
    served.serve([], asyncio.get_running_loop())
    return Providers(served)


def live(own: Any = None, **config: Any) -> LiveParts:
    return LiveParts(Agent(name="A", model=own), RunConfig(**config))


NAMED = AgentDefinition(name="A", model="gpt-4o")
OBJECT = AgentDefinition(name="A", model_object=True)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    async with Loopback() as running:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        yield running


@pytest.mark.parametrize(("name", "sent"), [("gpt-4o", "gpt-4o"), ("openai/a/b", "a/b"), (None, DEFAULT_MODEL)])
async def test_a_name_goes_to_openai_without_the_users_objects(server: Loopback, name: Any, sent: str) -> None:
    server.reply(completed([text_item("hi")]))
    answer = await providers().respond("run", AgentDefinition(name="A", model=name), request())
    assert answer.items == [text_item("hi")]
    assert server.received[0].body["model"] == sent


async def test_a_prompt_names_its_own_model_where_the_agent_names_none(server: Loopback) -> None:
    for _ in range(2):
        server.reply(completed([]))
    asked = request(prompt={"id": "pmpt_1"})
    await providers().respond("run", AgentDefinition(name="A"), asked)
    await providers().respond("run", NAMED, asked)
    assert [one.body.get("model") for one in server.received] == [None, "gpt-4o"]


async def test_the_runs_provider_finds_the_model() -> None:
    model = Recording()
    provider = OneModel(model)
    answer = await providers().respond("run", NAMED, request(), live(model_provider=provider))
    assert provider.asked == ["gpt-4o"]
    assert (answer.items, answer.response_id, answer.raw_usage) == ([text_item("mine")], "resp_1", {"n": 1})


async def test_a_provider_must_give_a_model() -> None:
    with pytest.raises(UserError, match="must be a Model"):
        await providers().respond("run", NAMED, request(), live(model_provider=OneModel("gpt-4o")))


async def test_a_model_of_ones_own_is_given_the_users_objects_and_the_state() -> None:
    model, schema, tool, handoff = Recording(), object(), object(), object()
    parts = LiveParts(Agent(name="A", model=model), RunConfig(), [tool], [handoff], schema)
    state: dict[str, Any] = {"previous_response_id": "r", "conversation_id": "c", "prompt": {"id": "p"}}
    await providers().respond("run", OBJECT, request(**state), parts)
    assert model.given == [None, [ITEM], [tool], schema, [handoff], state]


async def test_the_runs_model_comes_before_the_agents() -> None:
    model = Recording()
    await providers().respond("run", OBJECT, request(), live(Recording(), model=model))
    assert model.given


@pytest.mark.parametrize("parts", [None, "without a model"])
async def test_a_worker_without_the_model_object_says_so(parts: Any) -> None:
    with pytest.raises(AgentNotServed):
        await providers().respond("run", OBJECT, request(), live() if parts else None)


async def test_a_given_client_asks_through_its_models_api() -> None:
    async with Loopback() as server:
        server.reply(completed([text_item("a")]))
        server.reply(completion({"content": "b"}))
        client = server.client()
        for model in (OpenAIResponsesModel("r", client), OpenAIChatCompletionsModel("c", client)):
            await providers().respond("run", OBJECT, request(), live(model))
    assert [(one.path, one.body["model"]) for one in server.received] == [
        ("/v1/responses", "r"),
        ("/v1/chat/completions", "c"),
    ]


async def test_a_provider_with_an_address_needs_no_environment() -> None:
    async with Loopback() as server:
        server.reply(completion({"content": "b"}))
        provider = MultiProvider(openai_base_url=server.url, openai_api_key=KEY, openai_use_responses=False)
        await providers().respond("run", NAMED, request(), live(model_provider=provider))
        await provider.aclose()
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_subclass_with_an_answer_of_its_own_is_asked_itself() -> None:
    class Cached(OpenAIResponsesModel):
        async def get_response(self, *given: Any, **named: Any) -> ModelResponse:
            return ModelResponse([text_item("cached")], Usage(), None)

    answer = await providers().respond("run", OBJECT, request(), live(Cached("m")))
    assert answer.items == [text_item("cached")]


async def test_a_model_called_directly_asks_too() -> None:
    async with Loopback() as server:
        server.reply(completed([text_item("hi")]))
        model = OpenAIProvider(openai_client=server.client()).get_model("m")
        state: dict[str, Any] = {"previous_response_id": None, "conversation_id": None, "prompt": None}
        response = await model.get_response("Be kind.", "hi", ModelSettings(), [], None, [], None, **state)  # pyright: ignore[reportArgumentType]  not read
    assert response.output == [text_item("hi")]
    assert server.received[0].body["input"] == [ITEM]


async def test_a_model_that_takes_longer_than_its_settings_allow_is_stopped() -> None:
    with pytest.raises(ModelTimeoutError, match=r"0\.02"):
        await providers().respond("run", OBJECT, request(settings=ModelSettings(timeout=0.02)), live(Recording(5)))


async def test_a_timeout_of_the_models_own_stays_what_it_is() -> None:
    class Late(Recording):
        async def get_response(self, *given: Any, **named: Any) -> ModelResponse:
            raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await providers().respond("run", OBJECT, request(settings=ModelSettings(timeout=5)), live(Late()))


async def test_the_provider_that_a_run_by_name_was_started_with_finds_the_model() -> None:
    definition = NAMED.model_copy(update={"provider": {"openai_use_responses": False}})
    ours = providers()
    assert isinstance(ours.model(definition, live()), OpenAIChatCompletionsModel)
    assert isinstance(ours.model(NAMED, live()), OpenAIResponsesModel)
    own = OneModel(Recording())
    assert ours.model(definition, live(model_provider=own)) is own.model
