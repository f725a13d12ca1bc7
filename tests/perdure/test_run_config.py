"""Settings of runs, and the filter that sees each request."""

from __future__ import annotations

import dataclasses
from typing import Any

import agents
import pytest

from perdure.agent import Agent
from perdure.errors import UserError
from perdure.model_input import CallModelData, ModelInputData, filter_model_input
from perdure.model_settings import ModelSettings
from perdure.models.multi_provider import MultiProvider
from perdure.run_config import RunConfig, ToolExecutionConfig
from perdure.tool_errors import ToolErrorFormatterArgs

OURS = ["tool_output_format", "approval_timeout_seconds", "history_events", "tool_output_bytes"]
DATA = CallModelData(ModelInputData([{"role": "user", "content": "hi"}], "Be kind."), Agent(name="A"), None)


def test_the_settings_are_those_of_the_agents_sdk_and_three_more() -> None:
    ours = {field.name: field.default for field in dataclasses.fields(RunConfig)}
    theirs = {field.name: field.default for field in dataclasses.fields(agents.RunConfig)}
    assert list(ours) == [*theirs, *OURS]
    assert {name: ours[name] for name in theirs} == theirs


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ToolExecutionConfig, agents.ToolExecutionConfig),
        (ToolErrorFormatterArgs, agents.ToolErrorFormatterArgs),
        (CallModelData, agents.run_config.CallModelData),
        (ModelInputData, agents.run_config.ModelInputData),
    ],
)
def test_its_parts_have_the_fields_of_the_agents_sdk(ours: Any, theirs: Any) -> None:
    assert [(one.name, one.default) for one in dataclasses.fields(ours)] == [
        (one.name, one.default) for one in dataclasses.fields(theirs)
    ]


def test_models_are_found_by_prefix_unless_told_otherwise() -> None:
    assert isinstance(RunConfig().model_provider, MultiProvider)


def test_a_mapping_is_a_configuration() -> None:
    config = RunConfig.of({"model": "m", "model_settings": {"top_p": 0.1}, "tool_execution": {}})
    assert (config.model, config.model_settings) == ("m", ModelSettings(top_p=0.1))
    assert config.tool_execution == ToolExecutionConfig()
    assert RunConfig.of(config) is config
    assert RunConfig.of(None).model is None


def test_an_unknown_setting_is_refused_as_in_the_agents_sdk() -> None:
    with pytest.raises(TypeError, match="Unknown run_config settings: bad"):
        RunConfig.of({"model": "m", "bad": 1})


@pytest.mark.parametrize("name", ["output_guardrail_blocked_message", "sandbox"])
def test_what_this_version_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=name):
        RunConfig(**{name: object()})


@pytest.mark.parametrize(
    "name",
    ["tool_output_format", "tool_not_found_behavior", "tool_name_collision_policy", "reasoning_item_id_policy"],
)
def test_a_choice_must_be_known(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} is 'yaml'; it must be"):
        RunConfig(**{name: "yaml"})


def test_at_least_one_tool_runs_at_once() -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        ToolExecutionConfig(max_function_tool_concurrency=0)


def test_sensitive_data_gets_into_traces_by_the_variable_of_the_agents_sdk_alone(monkeypatch: Any) -> None:
    assert not RunConfig().trace_include_sensitive_data
    monkeypatch.setenv("OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA", "true")
    assert RunConfig().trace_include_sensitive_data


def test_an_approval_waits_30_days_unless_told_otherwise() -> None:
    assert RunConfig().approval_timeout_seconds == 30 * 24 * 3600


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_an_approval_timeout_is_above_zero_and_at_most_ten_years(seconds: float) -> None:
    with pytest.raises(UserError, match="must be above 0 and at most"):
        RunConfig(approval_timeout_seconds=seconds)


async def test_a_filter_may_be_sync_or_async() -> None:
    def shout(data: CallModelData[Any]) -> ModelInputData:
        return ModelInputData(data.model_data.input * 2, "LOUD")

    async def later(data: CallModelData[Any]) -> ModelInputData:
        return shout(data)

    assert await filter_model_input(shout, DATA) == await filter_model_input(later, DATA)
    assert (await filter_model_input(shout, DATA)).instructions == "LOUD"


@pytest.mark.parametrize("returned", [None, [], "text", ModelInputData("no list", None)])  # pyright: ignore[reportArgumentType]  that is the case
async def test_a_filter_that_returns_something_else_is_refused(returned: Any) -> None:
    with pytest.raises(UserError, match="must return a ModelInputData"):
        await filter_model_input(lambda _: returned, DATA)


@pytest.mark.parametrize("field", ["model", "model_provider"])
@pytest.mark.parametrize("value", [5, agents.MultiProvider()])
def test_what_is_no_model_and_no_provider_is_refused(field: str, value: Any) -> None:
    values: dict[str, Any] = {field: value}
    with pytest.raises(UserError, match=f"{field} is .*, of type"):
        RunConfig(**values)


def test_a_configuration_of_the_agents_sdk_is_refused_with_what_to_change() -> None:
    config: Any = agents.RunConfig()
    with pytest.raises(TypeError, match="from perdure import RunConfig"):
        RunConfig.of(config)
