"""`perdure graph`: a diagram of agents and all that they lead to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    OutputGuardrail,
    WebSearchTool,
    function_tool,
    handoff,
)
from perdure.cli import main
from perdure.cli.graph import diagram

NODE = re.compile(r'^    (\w+)\W+"(.*)"\W+:::(\w+)$', re.MULTILINE)
EDGE = re.compile(r'^    (\w+) (==>|-->|-\.-)(?:\|"(.*)"\|)? (\w+)$', re.MULTILINE)


@function_tool
async def look() -> str:
    """Look."""
    return ""


@function_tool(needs_approval=True)
async def refund() -> str:
    """Refund."""
    return ""


def nodes_of(*agents: Agent[Any]) -> list[str]:
    return [label for _, label, _ in NODE.findall(diagram(list(agents)))]


def edges_of(*agents: Agent[Any]) -> list[tuple[str, str, str, str]]:
    """The edges by their nodes' labels."""
    text = diagram(list(agents))
    labels = {name: label for name, label, _ in NODE.findall(text)}
    edges = [(labels[source], arrow, label, labels[target]) for source, arrow, label, target in EDGE.findall(text)]
    lines = [line for line in text.splitlines()[1:] if "classDef" not in line]
    assert len(lines) == len(labels) + len(edges), "each line is a node or an edge"
    return edges


def test_agents_tools_and_handoffs_are_drawn() -> None:
    refunds = Agent(name="Refunds", tools=[look, refund])
    triage = Agent(name="Triage", handoffs=[refunds])
    assert edges_of(triage) == [
        ("Triage", "==>", "transfer_to_refunds", "Refunds"),
        ("Refunds", "-->", "", "look"),
        ("Refunds", "-->", "", "refund<br/>needs approval"),
    ]


def test_a_circle_of_handoffs_is_drawn_once() -> None:
    one, two = Agent(name="One", tools=[look]), Agent(name="Two", tools=[look])
    one.handoffs, two.handoffs = [two, one], [one]
    assert sorted(nodes_of(one, two)) == ["One", "Two", "look"]
    assert [edge for edge in edges_of(one, two) if edge[1] == "==>"] == [
        ("One", "==>", "transfer_to_two", "Two"),
        ("One", "==>", "transfer_to_one", "One"),
        ("Two", "==>", "transfer_to_one", "One"),
    ]


def test_agents_of_one_name_are_two_and_tools_of_one_name_that_differ_too() -> None:
    @function_tool(name_override="look")
    async def look_closely(at: str) -> str:
        """Look closely."""
        return at

    first, second = Agent(name="Desk", tools=[look]), Agent(name="Desk", tools=[look_closely, refund])
    triage = Agent(name="Triage", tools=[look, refund], handoffs=[first, handoff(second, tool_name_override="other")])
    assert nodes_of(triage) == [
        "Triage",
        "Desk",
        "Desk<br/>the 2. of this name",
        "look",
        "refund<br/>needs approval",
        "look",
    ]
    assert ("Triage", "==>", "other", "Desk<br/>the 2. of this name") in edges_of(triage)


def test_an_agent_as_a_tool_is_drawn_as_what_it_is() -> None:
    expert = Agent(name="Expert", tools=[look])
    boss = Agent(name="Boss", tools=[expert.as_tool("ask_expert", "Ask.", needs_approval=True)])
    assert edges_of(boss) == [
        ("Boss", "-->", "ask_expert<br/>as a tool<br/>needs approval", "Expert"),
        ("Expert", "-->", "", "look"),
    ]


def test_guardrails_hosted_tools_and_rules_are_named() -> None:
    def judge(*_: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(None, False)

    @function_tool(needs_approval=lambda *_: True, is_enabled=lambda *_: True)
    async def pay() -> str:
        """Pay."""
        return ""

    agent = Agent(
        name="Agent",
        tools=[WebSearchTool(), pay],
        input_guardrails=[InputGuardrail(judge, name="polite")],
        output_guardrails=[OutputGuardrail(judge, name="true")],
    )
    assert edges_of(agent) == [
        ("Agent", "-->", "", "web_search<br/>run by the provider"),
        ("Agent", "-->", "", "pay<br/>a rule says whether it needs approval<br/>offered by a rule"),
        ("polite<br/>input guardrail", "-.-", "", "Agent"),
        ("Agent", "-.-", "", "true<br/>output guardrail"),
    ]


def test_no_name_is_read_as_anything_but_text() -> None:
    (label,) = nodes_of(Agent(name='"]:::x --> <b>`y`</b>#quot;\n\u202e'))
    assert label == ("#34;]:::x --#62; #60;b#62;#96;y#96;#60;/b#62;#35;quot;#92;n#92;u202e")


def test_the_command_draws_a_module_or_one_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from perdure.cli.ending import ExitCode
    from perdure.cli.graph import show_graph
    from perdure.cli.screen import Screen

    (tmp_path / "drawn.py").write_text(
        "from perdure import Agent\none = Agent(name='Same')\ntwo = Agent(name='Same', handoffs=[one])\n"
    )
    monkeypatch.chdir(tmp_path)
    assert show_graph(Screen(as_json=False), "drawn") is ExitCode.OK
    assert NODE.findall(capfd.readouterr().out) == [
        ("a1", "Same", "agent"),
        ("a2", "Same<br/>the 2. of this name", "agent"),
    ]
    assert show_graph(Screen(as_json=True), "drawn:one") is ExitCode.OK
    assert '"mermaid": "flowchart LR\\n    a1([\\"Same\\"])' in capfd.readouterr().out
    assert main(["graph", "--help"]) == 0
