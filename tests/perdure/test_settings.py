"""Settings of model calls and runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.shared import Reasoning

from perdure.errors import UserError
from perdure.settings import ModelSettings, RunConfig


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


@pytest.mark.parametrize("reasoning", [{"effort": "low"}, Reasoning(effort="low")])
def test_reasoning_may_be_an_object_of_openai_or_json(reasoning: Any) -> None:
    assert ModelSettings(reasoning=reasoning).to_json() == {"reasoning": {"effort": "low"}}


def test_settings_survive_json() -> None:
    settings = ModelSettings(temperature=0.0, tool_choice="required", parallel_tool_calls=False, extra_args={"a": [1]})
    assert ModelSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_settings_of_a_later_version_are_read_as_far_as_they_are_known() -> None:
    assert ModelSettings.from_json({"top_p": 0.1, "of_tomorrow": 1}) == ModelSettings(top_p=0.1)


def test_an_approval_waits_30_days_unless_told_otherwise() -> None:
    assert RunConfig().approval_timeout_seconds == 30 * 24 * 3600


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_an_approval_timeout_is_above_zero_and_at_most_ten_years(seconds: float) -> None:
    with pytest.raises(UserError, match="must be above 0 and at most"):
        RunConfig(approval_timeout_seconds=seconds)


def test_a_tool_output_format_must_be_known() -> None:
    with pytest.raises(UserError, match="it must be"):
        RunConfig(tool_output_format="yaml")
