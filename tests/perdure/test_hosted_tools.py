"""Hosted tools travel as the Agents SDK sends them."""

from __future__ import annotations

from typing import Any

import agents
import pytest
from agents.models.openai_responses import Converter
from openai.types.responses.web_search_tool import Filters

import perdure.hosted_tools as ours

TOOLS: list[tuple[str, dict[str, Any]]] = [
    ("WebSearchTool", {}),
    (
        "WebSearchTool",
        {
            "user_location": {"type": "approximate", "city": "Paris"},
            "filters": Filters(allowed_domains=["example.com"]),
            "search_context_size": "low",
            "external_web_access": False,
            "search_content_types": ["text", "image"],
            "image_settings": {"max_results": 2},
        },
    ),
    ("WebSearchTool", {"external_web_access": True, "search_content_types": ["text"]}),
    ("FileSearchTool", {"vector_store_ids": ["v1"]}),
    ("FileSearchTool", {"vector_store_ids": ["v1"], "max_num_results": 0, "filters": None}),
    (
        "FileSearchTool",
        {
            "vector_store_ids": ["v1", "v2"],
            "max_num_results": 3,
            "include_search_results": True,
            "ranking_options": {"ranker": "auto", "score_threshold": 0.5},
            "filters": {"type": "eq", "key": "k", "value": "v"},
        },
    ),
    ("CodeInterpreterTool", {"tool_config": {"type": "code_interpreter", "container": {"type": "auto"}}}),
    ("ImageGenerationTool", {"tool_config": {"type": "image_generation", "quality": "low"}}),
    ("HostedMCPTool", {"tool_config": {"type": "mcp", "server_label": "x", "server_url": "http://mcp.test"}}),
]


@pytest.mark.parametrize(("kind", "fields"), TOOLS)
def test_a_hosted_tool_is_sent_as_the_agents_sdk_sends_it(kind: str, fields: dict[str, Any]) -> None:
    theirs = Converter.convert_tools([getattr(agents, kind)(**fields)], [])
    tool = getattr(ours, kind)(**fields)

    sent = {
        key: value.model_dump(exclude_unset=True) if isinstance(value, Filters) else value
        for key, value in theirs.tools[0].items()
    }
    assert list(tool.to_wire().items()) == list(sent.items())
    assert tool.includes() == theirs.includes


@pytest.mark.parametrize(("kind", "fields"), TOOLS)
def test_a_hosted_tool_has_the_name_it_has_in_the_agents_sdk(kind: str, fields: dict[str, Any]) -> None:
    assert getattr(ours, kind)(**fields).name == getattr(agents, kind)(**fields).name


def test_what_is_sent_is_a_copy_of_the_configuration() -> None:
    tool = ours.CodeInterpreterTool({"type": "code_interpreter", "container": {"type": "auto"}})

    tool.to_wire()["container"]["type"] = "other"

    assert tool.to_wire()["container"] == {"type": "auto"}
