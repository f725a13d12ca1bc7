"""What cannot work is refused before anything starts, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.client.wanted import TRACE_SETTINGS, Wanted, config_of, settings_of, unwrapped, with_settings
from perdure.context import RunContextWrapper
from perdure.definition import SessionDefinition
from perdure.errors import UserError
from perdure.guardrail import GuardrailFunctionOutput, input_guardrail, output_guardrail
from perdure.hooks import AgentHooks, RunHooks
from perdure.models import MultiProvider, OpenAIProvider
from perdure.models.multi_provider import MultiProviderMap
from perdure.session import SessionSettings
from perdure.settings import ModelSettings, RunConfig
from perdure.sqlite_session import SQLiteSession
from perdure.testing import ScriptedModel

A: Agent[Any] = Agent(name="A")


@input_guardrail
def asks(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=False)


@output_guardrail
def answers(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=False)


def wanted(agent: Any = A, config: RunConfig | None = None, **options: Any) -> Wanted:
    return Wanted(agent, "hi", "perdure", config or RunConfig(), **options)


def test_an_agent_and_its_name_alone_are_fine() -> None:
    wanted().check()
    wanted("A").check()


@pytest.mark.parametrize("turns", [-1, True])
def test_max_turns_is_a_number_of_turns(turns: Any) -> None:
    with pytest.raises(UserError, match=f"max_turns is {turns!r}"):
        wanted(max_turns=turns).check()


def test_an_agents_hooks_are_no_runs_hooks() -> None:
    with pytest.raises(TypeError, match="agent-scoped hooks"):
        wanted(hooks=AgentHooks()).check()
    wanted(hooks=RunHooks()).check()


def test_error_handlers_are_functions_by_kind() -> None:
    with pytest.raises(UserError, match="error_handlers names 'x'"):
        wanted(error_handlers={"x": print}).check()


@pytest.mark.parametrize(
    "managed", [{"conversation_id": "c"}, {"previous_response_id": "r"}, {"auto_previous_response_id": True}]
)
def test_a_session_does_not_go_with_a_conversation_that_the_provider_keeps(managed: dict[str, Any]) -> None:
    with pytest.raises(UserError) as refused:
        wanted(session=object(), **managed).check()
    assert refused.value.message == (
        "Session persistence cannot be combined with conversation_id, previous_response_id, or "
        "auto_previous_response_id."
    )


def test_what_is_no_session_is_refused_with_what_one_has() -> None:
    with pytest.raises(UserError, match=r"it lacks session_id, get_items.*Give a SQLiteSession"):
        wanted(session=object()).check()


def test_a_session_for_an_agent_by_name_is_one_that_a_worker_can_open(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="memory of this process"):
        wanted(agent="A", session=SQLiteSession("s")).check()
    with pytest.raises(UserError, match="session_input_callback cannot travel"):
        wanted(agent="A", config=RunConfig(session_input_callback=lambda history, new: new)).check()
    stored = wanted(agent="A", session=SQLiteSession("s", tmp_path / "s.db")).session_definition
    assert stored is not None
    assert stored.store is not None
    assert stored.store["path"] == str(tmp_path / "s.db")
    named = wanted(agent="A", session="s", config=RunConfig(session_settings=SessionSettings(limit=3)))
    assert named.session_definition == SessionDefinition(session_id="s", limit=3)


@pytest.mark.parametrize(
    ("agent", "config"),
    [(Agent(name="A", output_guardrails=[answers]), RunConfig()), (A, RunConfig(output_guardrails=[answers]))],
)
def test_output_guardrails_do_not_go_with_a_conversation_that_the_provider_keeps(agent: Any, config: RunConfig) -> None:
    with pytest.raises(UserError, match="Output guardrails cannot be combined with conversation_id"):
        wanted(agent, config, auto_previous_response_id=True).check()
    wanted(agent, config).check()


def test_output_guardrails_of_an_agent_that_may_never_come_are_no_reason() -> None:
    agent = Agent[Any](name="A", handoffs=[Agent(name="B", output_guardrails=[answers])])
    wanted(agent, conversation_id="c").check()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hooks", {"hooks": RunHooks()}),
        ("error_handlers", {"error_handlers": {"max_turns": print}}),
        ("run_config.model", {"config": RunConfig(model=ScriptedModel(["x"]))}),
        ("run_config.model_provider", {"config": RunConfig(model_provider=OpenAIProvider())}),
        (
            "run_config.model_provider.provider_map",
            {"config": RunConfig(model_provider=MultiProvider(provider_map=MultiProviderMap()))},
        ),
        (
            "run_config.model_provider.openai_api_key",
            {"config": RunConfig(model_provider=MultiProvider(openai_api_key="k"))},
        ),
        (
            "run_config.model_provider.openai_base_url",
            {"config": RunConfig(model_provider=MultiProvider(openai_base_url="http://localhost/v1"))},
        ),
        ("run_config.input_guardrails", {"config": RunConfig(input_guardrails=[asks])}),
        ("run_config.output_guardrails", {"config": RunConfig(output_guardrails=[answers])}),
        ("run_config.handoff_input_filter", {"config": RunConfig(handoff_input_filter=lambda data: data)}),
        ("run_config.handoff_history_mapper", {"config": RunConfig(handoff_history_mapper=lambda items: items)}),
        (
            "run_config.call_model_input_filter",
            {"config": RunConfig(call_model_input_filter=lambda data: data.model_data)},
        ),
        ("run_config.tool_error_formatter", {"config": RunConfig(tool_error_formatter=lambda arguments: None)}),
    ],
)
def test_functions_and_objects_do_not_travel_to_an_agent_by_name(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"'A' is known by name, .*: {name} cannot travel there"):
        wanted("A", options.pop("config", None), **options).check()


def test_a_configuration_of_an_agent_by_name_travels_as_its_values() -> None:
    config = RunConfig(
        model="gpt-x",
        model_settings=ModelSettings(temperature=0.5),
        nest_handoff_history=True,
        workflow_name="Orders",
        group_id="chat-1",
        approval_timeout_seconds=60,
        tool_execution={"max_function_tool_concurrency": 2},  # pyright: ignore[reportArgumentType]  a dict will do
    )
    settings = settings_of(config, by_name=True)
    assert (settings.workflow_name, settings.group_id, settings.approval_timeout_seconds) == ("Orders", "chat-1", 60)
    read = config_of(settings)
    assert (read.model, read.model_settings, read.nest_handoff_history) == ("gpt-x", config.model_settings, True)
    assert read.tool_execution == config.tool_execution
    assert (read.workflow_name, read.group_id) == ("Orders", "chat-1")


def test_a_configuration_beside_its_agent_need_not_travel() -> None:
    assert settings_of(RunConfig(model="gpt-x"), by_name=False).config == {}
    assert settings_of(RunConfig(), by_name=True).config == {}


def test_a_context_comes_out_of_its_wrapper() -> None:
    context = {"x": 1}
    assert unwrapped(RunContextWrapper(context)) is context
    assert unwrapped(context) is context
    assert unwrapped(None) is None


def test_what_a_provider_says_in_plain_values_travels_to_an_agent_by_name() -> None:
    provider = MultiProvider(openai_use_responses=False, openai_project="p", unknown_prefix_mode="model_id")
    config = RunConfig(model_provider=provider)
    wanted("A", config).check()
    travelled = config_of(settings_of(config, by_name=True)).model_provider
    assert isinstance(travelled, MultiProvider)
    assert travelled.plain == provider.plain
    assert settings_of(RunConfig(), by_name=True).config == {}


@pytest.mark.parametrize("by_name", [True, False])
def test_settings_that_are_as_by_default_take_no_room(by_name: bool) -> None:
    assert settings_of(RunConfig(), by_name=by_name).model_dump(exclude_unset=True) == {}


@pytest.mark.parametrize("by_name", [True, False])
def test_what_traces_are_told_travels(by_name: bool) -> None:
    trace = {"trace_id": "t", "trace_metadata": {"shop": 7}, "tracing_disabled": True}
    config = RunConfig(**trace, trace_include_sensitive_data=True)
    settings = settings_of(config, by_name=by_name)
    assert settings.model_dump(exclude_unset=True) == {**trace, "trace_include_sensitive_data": True}
    again = config_of(settings)
    assert [getattr(again, name) for name in TRACE_SETTINGS] == [getattr(config, name) for name in TRACE_SETTINGS]


def test_what_a_program_tells_traces_by_its_environment_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA", "true")
    settings = settings_of(RunConfig(), by_name=True)
    monkeypatch.delenv("OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA")
    assert config_of(settings).trace_include_sensitive_data is True


def test_settings_of_an_earlier_run_hold_where_nothing_else_is_wanted() -> None:
    earlier = {"trace_id": "t", "group_id": "g", "history_events": 50}
    config = with_settings(RunConfig(group_id="other"), earlier)
    assert (config.trace_id, config.group_id, config.history_events) == ("t", "other", 50)
