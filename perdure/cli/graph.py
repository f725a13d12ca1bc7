"""`perdure graph`: agents with their tools, handoffs and guardrails as a diagram in Mermaid's language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from perdure.agent import Agent
from perdure.canonical import digest_of
from perdure.cli.ending import ExitCode
from perdure.cli.modules import agents_of
from perdure.cli.screen import Line, Screen
from perdure.definition import AgentDefinition, HandoffDefinition, ToolDefinition
from perdure.settings import RunConfig
from perdure.snapshot import Member, define_agent, members
from perdure.visible import in_line

_STYLES = [
    "classDef agent fill:#e8f0fe,stroke:#3b5bdb,color:#1b1b1b",
    "classDef tool fill:#f1f3f5,stroke:#868e96,color:#1b1b1b",
    "classDef waits fill:#fff4e6,stroke:#e8590c,color:#1b1b1b",
    "classDef guardrail fill:#ebfbee,stroke:#2b8a3e,color:#1b1b1b",
]
# In a label in quotes Mermaid reads entities, HTML and, between backticks, Markdown.
_ENTITIES = str.maketrans({each: f"#{ord(each)};" for each in '"#&<>`\\'})

_Key: TypeAlias = tuple[str, ...] | int


def show_graph(screen: Screen, reference: str) -> int:
    """Shows the diagram of a module's agents, or of one agent and all that it leads to."""
    text = diagram(agents_of(reference))
    screen.show({"app": reference, "mermaid": text}, [Line(each) for each in text.splitlines()])
    return ExitCode.OK


def diagram(agents: list[Agent[Any]]) -> str:
    """The agents and all that they lead to, each agent, tool and guardrail once."""
    drawing = _Drawing()
    for agent in agents:
        among = members(agent, RunConfig())
        for member in among.values():
            drawing.add(member, among)
    return "\n".join(["flowchart LR", *(f"    {line}" for line in [*drawing.nodes, *drawing.edges, *_STYLES])])


class _Drawing:
    """Nodes and edges as they come; what is equal is one node, what only has the same name is not."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.edges: list[str] = []
        self._ids: dict[_Key, str] = {}
        self._labels: dict[str, int] = {}
        self._drawn: set[int] = set()
        self._kept: list[Any] = []  # whose ids are keys

    def add(self, member: Member, among: dict[str, Member]) -> None:
        """Draws an agent with all that it has; one that was drawn before stays as it is."""
        if id(member.agent) in self._drawn:
            return
        self._drawn.add(id(member.agent))
        definition = define_agent(member, among)
        source = self._agent(member.agent)
        for edge in self._edges_of(source, definition, among):
            self.edges.append(edge)

    def _edges_of(self, source: str, definition: AgentDefinition, among: dict[str, Member]) -> Iterator[str]:
        for handoff in definition.handoffs:
            yield f"{source} ==>|{_quoted(*_handoff(handoff))}| {self._target(source, handoff, among)}"
        for tool in definition.tools:
            if tool.agent is not None:
                called = self._agent(among[tool.agent.agent].agent)
                yield f"{source} -->|{_quoted(tool.name, 'as a tool', *_conditions(tool))}| {called}"
            else:
                yield f"{source} --> {self._tool(tool)}"
        for kind, guardrails in (("input", definition.input_guardrails), ("output", definition.output_guardrails)):
            for guardrail in guardrails:
                label = _quoted(guardrail.name, f"{kind} guardrail")
                node = self._node("g", (kind, guardrail.name, source), f"[/{label}/]", "guardrail")
                yield f"{node} -.- {source}" if kind == "input" else f"{source} -.- {node}"

    def _agent(self, agent: Agent[Any]) -> str:
        if id(agent) not in self._ids:
            self._kept.append(agent)
            count = self._labels[agent.name] = self._labels.get(agent.name, 0) + 1
            also = [] if count == 1 else [f"the {count}. of this name"]
            return self._node("a", id(agent), f"([{_quoted(agent.name, *also)}])", "agent")
        return self._ids[id(agent)]

    def _target(self, source: str, handoff: HandoffDefinition, among: dict[str, Member]) -> str:
        if handoff.agent is not None:
            return self._agent(among[handoff.agent].agent)
        label = _quoted("whom a function names")
        return self._node("x", ("handoff", source, handoff.tool_name), f"([{label}])", "agent")

    def _tool(self, tool: ToolDefinition) -> str:
        label = _quoted(tool.name, *(["run by the provider"] if tool.hosted else []), *_conditions(tool))
        key = ("tool", tool.name, tool.fingerprint or digest_of(tool.wire))
        return self._node("t", key, f"[{label}]", "waits" if tool.needs_approval else "tool")

    def _node(self, prefix: str, key: _Key, shape: str, style: str) -> str:
        if key not in self._ids:
            name = self._ids[key] = f"{prefix}{len(self._ids) + 1}"
            self.nodes.append(f"{name}{shape}:::{style}")
        return self._ids[key]


def _conditions(tool: ToolDefinition) -> Iterator[str]:
    """What stands before a call of a tool, or after it."""
    if tool.needs_approval:
        yield "a rule says whether it needs approval" if tool.needs_approval == "rule" else "needs approval"
    guardrails = [*tool.input_guardrails, *tool.output_guardrails]
    if guardrails:
        yield f"guarded by {', '.join(dict.fromkeys(guardrails))}"
    if tool.enabled_by_rule:
        yield "offered by a rule"


def _handoff(handoff: HandoffDefinition) -> Iterator[str]:
    yield handoff.tool_name
    if handoff.enabled_by_rule:
        yield "offered by a rule"


def _quoted(*lines: str) -> str:
    """A label of one line or more, in which nothing is read as anything but text."""
    return '"' + "<br/>".join(in_line(line).translate(_ENTITIES) for line in lines) + '"'
