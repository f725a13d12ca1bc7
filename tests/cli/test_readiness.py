"""What a worker says before it takes steps: what keeps it from serving, and what it lacks besides."""

from __future__ import annotations

import asyncio
import importlib.util
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from openai import AsyncOpenAI
from temporalio.api.namespace.v1 import NamespaceConfig, NamespaceInfo
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse, RegisterNamespaceRequest
from temporalio.client import Client

from perdure import Agent, ModelProvider, MultiProvider, OpenAIChatCompletionsModel, RunConfig, function_tool, handoff
from perdure.cli.ending import CommandFailed, ExitCode
from perdure.cli.modules import FoundAgents
from perdure.cli.readiness import Gap, module_gaps, refuse
from perdure.cli.server_readiness import namespace_gaps
from perdure.client.attendance import workers_of
from perdure.contracts.effects import EFFECTS_QUEUE
from perdure.limits import MAX_COMMAND_BYTES, MAX_TASK_BYTES, MIB, RETENTION_DAYS
from perdure.prices import set_prices
from perdure.testing import ScriptedModel
from tests.cli.conftest import Shop

SAID = ScriptedModel(["hi"])


@function_tool
def look() -> str:
    """Look."""
    return ""


def found(*agents: Agent[Any], context_factory: Any = None) -> FoundAgents:
    return FoundAgents("shop", {f"agent_{place}": agent for place, agent in enumerate(agents)}, context_factory)


def texts(*agents: Agent[Any], context_factory: Any = None, stops: bool = False) -> list[str]:
    """The gaps of a module; all are of one kind."""
    gaps = module_gaps(found(*agents, context_factory=context_factory))
    assert {gap.stops for gap in gaps} <= {stops}
    return [gap.text for gap in gaps]


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_prices_that_cannot_be_read_are_a_gap_that_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_PRICES", str(tmp_path / "prices.toml"))
    set_prices(None)
    (text,) = texts(Agent(name="A", model=SAID))
    assert "prices.toml" in text
    assert "unknown" in text


def test_a_module_that_lacks_nothing_has_no_gap(no_key: None) -> None:
    def factory(state: dict[str, Any] | None) -> Any:
        return state

    assert texts(Agent(name="A", model=SAID, tools=[look]), context_factory=factory) == []


def test_an_agent_that_cannot_be_run_stops_the_worker_wherever_it_is_reached() -> None:
    broken = Agent(name="Broken", model=SAID)
    broken.tools = ["look"]  # pyright: ignore[reportAttributeAccessIssue]  the mistake
    first = Agent(name="First", model=SAID, handoffs=[handoff(broken)])
    (gap,) = texts(first, stops=True)
    assert gap.startswith("Agent 'First' (variable `agent_0`) cannot be run: ")
    assert "'Broken'" in gap
    assert "'look'" in gap


@pytest.mark.parametrize(
    ("factory", "says"),
    [(lambda: None, "cannot be called with a run's state"), (asyncio.sleep, "is async; it must return the context")],
)
def test_a_context_factory_that_makes_no_context_stops_the_worker(factory: Any, says: str) -> None:
    (gap,) = texts(Agent(name="A", model=SAID), context_factory=factory, stops=True)
    assert gap.startswith("`context_factory` ")
    assert says in gap


@pytest.mark.parametrize(
    ("factory", "says"),
    [(lambda: None, "cannot be called with a session's id"), (asyncio.sleep, "is async; it must return the session")],
)
def test_a_session_factory_that_makes_no_session_stops_the_worker(factory: Any, says: str) -> None:
    (gap,) = module_gaps(FoundAgents("shop", {"a": Agent(name="A", model=SAID)}, None, factory))
    assert gap.stops
    assert gap.text.startswith("`session_factory` ")
    assert says in gap.text


def test_a_missing_key_is_said_once_for_all_agents_that_want_it(no_key: None) -> None:
    second = Agent(name="B", model="gpt-4o")
    (gap,) = texts(Agent(name="A", handoffs=[second]), second, Agent(name="C", model=SAID))
    assert gap.startswith("OPENAI_API_KEY is not set, nor OPENAI_BASE_URL to a server that needs no key")
    assert "runs of 'A', 'B' fail" in gap


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_a_key_or_an_address_is_enough(variable: str, no_key: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://localhost:1")
    assert texts(Agent(name="A", model="gpt-4o")) == []


def test_a_model_with_a_client_of_its_own_wants_no_key(no_key: None) -> None:
    model = OpenAIChatCompletionsModel("m", AsyncOpenAI(api_key="secret"))
    assert texts(Agent(name="A", model=model)) == []


@pytest.mark.skipif(importlib.util.find_spec("litellm") is not None, reason="the extra is installed here")
def test_a_model_of_litellm_without_its_package_stops_the_worker(no_key: None) -> None:
    (gap,) = texts(Agent(name="A", model="litellm/anthropic/claude"), stops=True)
    assert gap == (
        "The model of 'A' is asked through litellm, which is not installed: pip install \"perdure[litellm]\"."
    )


def test_a_name_that_no_provider_has_is_told_but_a_run_may_bring_one(no_key: None) -> None:
    (gap,) = texts(Agent(name="A", model="qwen/{qwen3}"))
    assert gap.startswith("No provider has the model of 'A', unless a run's own provider has: Unknown prefix: qwen")
    assert "qwen/{qwen3}" in gap


def test_a_provider_of_the_user_s_own_is_not_asked(no_key: None) -> None:
    class Own(ModelProvider):
        def get_model(self, model_name: str | None) -> Any:
            raise AssertionError("asked")

    inner = Agent(name="Inner", model="x")
    tool = inner.as_tool("inner", "Ask.", run_config=RunConfig(model_provider=Own()))
    assert texts(Agent(name="A", model=SAID, tools=[tool])) == []


def test_a_provider_with_values_of_its_own_is_what_counts(no_key: None) -> None:
    inner = Agent(name="Inner", model="x")
    config = RunConfig(model_provider=MultiProvider(openai_api_key="secret"))
    assert texts(Agent(name="A", model=SAID, tools=[inner.as_tool("inner", "Ask.", run_config=config)])) == []


def test_all_gaps_that_stop_a_worker_are_said_at_once_and_the_others_stop_nothing() -> None:
    refuse("shop", [Gap("a warning")])
    with pytest.raises(CommandFailed) as refused:
        refuse("shop", [Gap("one", stops=True), Gap("a warning"), Gap("two", stops=True)])
    assert str(refused.value) == "Module 'shop' is not served, as something is missing:\n- one\n- two"
    assert (refused.value.code, refused.value.more) == (ExitCode.USAGE, {"gaps": ["one", "two"]})


def told(days: float = 90, updates: bool = True, **limits: int) -> DescribeNamespaceResponse:
    kept = Duration()
    kept.FromTimedelta(timedelta(days=days))
    info = NamespaceInfo(
        capabilities=NamespaceInfo.Capabilities(sync_update=updates), limits=NamespaceInfo.Limits(**limits)
    )
    return DescribeNamespaceResponse(namespace_info=info, config=NamespaceConfig(workflow_execution_retention_ttl=kept))


def of_namespace(answer: DescribeNamespaceResponse) -> list[str]:
    gaps = namespace_gaps("shop", answer)
    assert not any(gap.stops for gap in gaps)
    return [gap.text for gap in gaps]


def test_a_namespace_with_the_usual_limits_lacks_nothing() -> None:
    usual = told(3, blob_size_limit_error=2 * MIB, workflow_task_completion_size_limit_error=40 * MIB)
    assert of_namespace(usual) == []


def test_a_server_that_tells_nothing_is_taken() -> None:
    assert of_namespace(DescribeNamespaceResponse()) == []


def test_a_short_retention_is_told_with_what_it_means_for_run_ids() -> None:
    (gap,) = of_namespace(told(1))
    assert gap.startswith("Namespace 'shop' forgets a run 24 hours after its end: then its run id starts a new run")
    assert "temporal operator namespace update -n shop --retention 90d" in gap
    assert RETENTION_DAYS == 90


@pytest.mark.parametrize(
    ("limit", "bytes", "what"),
    [
        ("blob_size_limit_error", MAX_COMMAND_BYTES, "payloads"),
        ("workflow_task_completion_size_limit_error", MAX_TASK_BYTES, "workflow tasks"),
    ],
)
def test_a_limit_below_what_a_run_may_send_is_told_with_both_numbers(limit: str, bytes: int, what: str) -> None:
    (gap,) = of_namespace(told(**{limit: bytes}))
    assert gap.startswith(f"Namespace 'shop' takes {what} of at most {bytes} bytes, and a run may send {bytes} ")


def test_a_namespace_without_updates_cannot_keep_the_ledger() -> None:
    (gap,) = of_namespace(told(updates=False))
    assert 'tools with `effect="once"` cannot run' in gap


def address(shop: Shop) -> str:
    assert shop.perdure("server", "start").code == 0
    return shop.perdure("server", "status", "--json").json["address"]


def test_a_worker_that_cannot_serve_says_all_reasons_and_ends(shop: Shop) -> None:
    (shop.folder / "lacking.py").write_text(
        "from perdure import Agent\n"
        "one = Agent(name='One')\none.tools = ['look']\n"
        "async def context_factory(state): return state\n"
    )
    refused = shop.perdure("worker", "lacking", "--json", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert refused.code == 2
    assert refused.json["error"]["type"] == "WorkerNotReady"
    assert [gap.partition(" ")[0] for gap in refused.json["gaps"]] == ["`context_factory`", "Agent"]
    assert refused.err.startswith(
        "error: Module 'lacking' is not served, as something is missing:\n- `context_factory`"
    )


def test_a_blob_store_that_cannot_be_written_stops_the_worker(shop: Shop) -> None:
    refused = shop.perdure("worker", "shop", PERDURE_BLOBS=str(shop.folder / "shop.py" / "blobs"))
    assert refused.code == 2
    assert "cannot be written" in refused.err


@pytest.mark.thorough
def test_a_worker_at_a_configured_server_without_a_blob_store_says_what_is_cut(shop: Shop, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    shop.worker("bare", log, TEMPORAL_ADDRESS=address(shop))
    assert "WARNING perdure.worker: PERDURE_BLOBS is not set, so there is no blob store: a tool's " in log.read_text()


@pytest.mark.thorough
async def test_a_worker_in_a_namespace_that_forgets_soon_says_so(shop: Shop, tmp_path: Path) -> None:
    log, at = tmp_path / "worker.log", address(shop)
    client = await Client.connect(at)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace="short", workflow_execution_retention_period=Duration(seconds=36 * 3600))
    )
    shop.worker("short", log, TEMPORAL_ADDRESS=at, TEMPORAL_NAMESPACE="short", PERDURE_BLOBS=str(tmp_path))
    assert "Namespace 'short' forgets a run 36 hours after its end" in log.read_text()


@pytest.mark.thorough
def test_a_blob_store_that_was_not_there_is_made_and_told(shop: Shop, tmp_path: Path) -> None:
    log, blobs = tmp_path / "worker.log", tmp_path / "blobs"
    shop.worker("made", log, PERDURE_BLOBS=str(blobs))
    assert blobs.is_dir()
    assert "was not there and has been made" in log.read_text()


@pytest.mark.thorough
async def test_a_worker_that_is_ready_answers_for_the_ledger_of_effects(shop: Shop, tmp_path: Path) -> None:
    worker = shop.worker("ledger", tmp_path / "worker.log")
    client = await Client.connect(address(shop))
    answering: list[str] = []
    while str(worker.pid) not in [identity.partition("@")[0] for identity in answering]:
        answering = await workers_of(client, EFFECTS_QUEUE, "workflow")  # the server lists a poller a little later
