"""Settings of model calls."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import agents
import pytest
from openai.types.shared import Reasoning

from perdure.errors import UserError
from perdure.model_settings import MCPToolChoice, ModelSettings, as_fixed
from perdure.retry import ModelRetryBackoffSettings, ModelRetrySettings


def test_the_settings_are_those_of_the_agents_sdk() -> None:
    ours = {field.name: field.default for field in dataclasses.fields(ModelSettings)}
    theirs = {field.name: field.default for field in dataclasses.fields(agents.ModelSettings)}
    assert list(ours.items()) == list(theirs.items())


def test_settings_without_values_send_nothing() -> None:
    assert ModelSettings().to_json() == {}


def test_an_override_replaces_what_it_sets_and_nothing_else() -> None:
    base = ModelSettings(temperature=0.5, max_tokens=100, store=True)
    resolved = base.resolve(ModelSettings(temperature=0.0, store=False))
    assert resolved == ModelSettings(temperature=0.0, max_tokens=100, store=False)
    assert base == ModelSettings(temperature=0.5, max_tokens=100, store=True)


def test_no_override_changes_nothing() -> None:
    base = ModelSettings(top_p=0.1)
    assert base.resolve(None) == base


def test_extra_args_merge_key_by_key_and_other_objects_are_replaced() -> None:
    base = ModelSettings(extra_args={"a": 1, "b": 1}, extra_body={"a": 1}, metadata={"a": "1"})
    resolved = base.resolve(ModelSettings(extra_args={"b": 2}, extra_body={"b": 2}, metadata={"b": "2"}))
    assert resolved.extra_args == {"a": 1, "b": 2}
    assert (resolved.extra_body, resolved.metadata) == ({"b": 2}, {"b": "2"})


def test_retry_merges_field_by_field() -> None:
    base = ModelSettings(retry=ModelRetrySettings(2, ModelRetryBackoffSettings(initial_delay=1, max_delay=4)))
    resolved = base.resolve(ModelSettings(retry=ModelRetrySettings(policy=bool, backoff={"max_delay": 9})))
    assert resolved.retry == ModelRetrySettings(2, ModelRetryBackoffSettings(initial_delay=1, max_delay=9), bool)


def test_a_retry_policy_does_not_travel_and_its_numbers_do() -> None:
    retry = ModelRetrySettings(2, ModelRetryBackoffSettings(initial_delay=1), bool)
    travelled = ModelSettings.from_json(json.loads(json.dumps(ModelSettings(retry=retry).to_json())))
    assert travelled.retry == ModelRetrySettings(2, ModelRetryBackoffSettings(initial_delay=1))


@pytest.mark.parametrize("reasoning", [{"effort": "low"}, Reasoning(effort="low")])
def test_reasoning_may_be_an_object_of_openai_or_json(reasoning: Any) -> None:
    assert ModelSettings(reasoning=reasoning).to_json() == {"reasoning": {"effort": "low"}}


def test_the_choice_of_an_mcp_tool_travels_as_json() -> None:
    settings = ModelSettings(tool_choice=MCPToolChoice("docs", "search"))
    assert settings.to_json() == {"tool_choice": {"server_label": "docs", "name": "search"}}


def test_settings_survive_json() -> None:
    settings = ModelSettings(temperature=0.0, tool_choice="required", parallel_tool_calls=False, extra_args={"a": [1]})
    assert ModelSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_settings_of_a_later_version_are_read_as_far_as_they_are_known() -> None:
    assert ModelSettings.from_json({"top_p": 0.1, "of_tomorrow": 1}) == ModelSettings(top_p=0.1)


def test_a_mapping_with_an_unknown_name_is_no_settings() -> None:
    assert ModelSettings.of({"top_p": 0.1}) == ModelSettings(top_p=0.1)
    with pytest.raises(TypeError, match="temprature"):
        ModelSettings.of({"temprature": 0.1})


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_is_above_zero_and_ends(seconds: float) -> None:
    with pytest.raises(UserError, match="timeout is"):
        ModelSettings(timeout=seconds)


def test_a_model_is_given_the_programs_own_settings_if_they_are_what_the_run_fixed() -> None:
    live = ModelSettings(tool_choice=MCPToolChoice("shop", "pay"), reasoning=Reasoning(effort="low"), top_p=0.5)
    given = as_fixed(live, live.to_json())
    assert given == live
    assert given is not live


def test_settings_that_were_deployed_since_are_not_those_of_the_run() -> None:
    then = ModelSettings(tool_choice=MCPToolChoice("shop", "pay"), reasoning=Reasoning(effort="low"))
    assert as_fixed(ModelSettings(top_p=0.5), then.to_json()) == then
    assert as_fixed(ModelSettings(), {"tool_choice": "auto"}) == ModelSettings(tool_choice="auto")
