"""Traces, metrics and logs of runs that workers elsewhere serve, killed and replaced."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import urllib.request
import uuid
from pathlib import Path

import pytest

from perdure import MaxTurnsExceeded, Runner
from tests.end_to_end.workers import ROOT, worker
from tests.telemetry.collector import Collector, http_collector

AGENTS = '''
import logging
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

@function_tool
async def look(order: str) -> str:
    """Look."""
    logging.getLogger("shop").warning("looking for an order")
    return order

@function_tool(needs_approval=True)
async def pay(amount: float) -> str:
    """Pay."""
    return f"paid {amount:g}"

clerk = Agent(name="Clerk", model=ScriptedModel([tool_call("pay", {"amount": 5}), "done"]), tools=[pay])
payer = Agent(
    name="Payer",
    model=ScriptedModel([tool_call("look", {"order": "7"}), tool_call("transfer_to_clerk", {})]),
    tools=[look],
    handoffs=[clerk],
)
'''
PAID = [
    "invoke_agent Payer",
    "invoke_agent Payer > approval pay",
    *["invoke_agent Payer > chat ScriptedModel"] * 4,
    "invoke_agent Payer > execute_tool look",
    "invoke_agent Payer > execute_tool pay",
    "invoke_agent Payer > handoff Clerk",
    "invoke_agent Payer > snapshot_agents",
]


@pytest.fixture
def queue() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["cached", pytest.param("always replayed", marks=pytest.mark.thorough)])
def exported(request: pytest.FixtureRequest, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    if request.param != "cached":
        monkeypatch.setenv("PERDURE_MAX_CACHED_WORKFLOWS", "0")
    return collector


async def test_a_worker_that_is_killed_leaves_no_gap_and_no_second_span(
    tmp_path: Path, queue: str, exported: Collector
) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path, "payer_agents", AGENTS, queue) as first:
        await run.result_or_interruptions()
        await asyncio.to_thread(exported.wait_until, lambda: len(exported.spans) == 6)  # the handoff's among them
        first.kill()
        await first.wait()
    async with worker(tmp_path, "payer_agents", AGENTS, queue) as second:
        await run.approve("3.0", by="ana")
        assert (await run.result()).final_output == "done"
        second.terminate()
        await second.wait()
    assert exported.tree() == sorted(PAID)
    assert len({span.trace_id for span in exported.spans}) == 1
    assert {span.attributes["gen_ai.agent.name"] for span in exported.spans} == {"Payer", "Clerk"}
    (approval,) = exported.named("approval pay")
    assert approval.attributes["perdure.approval.by"] == "ana"


async def test_a_worker_ends_though_its_collector_answers_nobody(
    tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve() -> None:
        async with worker(tmp_path, "payer_agents", AGENTS, queue) as process:
            await paid(queue)
            await scraped(port, "perdure_spans_dropped")
            process.terminate()
            assert await process.wait() == 0

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        port = scrape_port(monkeypatch)
        await serve()


def scrape_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where a worker that is started from now on can be scraped."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", str(port))
    return port


async def scraped(port: int, wanted: str) -> str:
    """The worker's metrics, once they have what is wanted: a run's end counts a moment after its caller knows of it."""

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return answer.read().decode()

    while not re.search(wanted, text := await asyncio.to_thread(read)):  # noqa: ASYNC110  another process sets no event
        await asyncio.sleep(0.1)
    return text


async def paid(queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    await run.result_or_interruptions()
    await run.approve("3.0", by="ana")
    await run.result()


async def test_metrics_can_be_scraped(tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = scrape_port(monkeypatch)
    (tmp_path / "prices.json").write_text('{"Scripted*": {"input": 500, "output": 1000}}')
    monkeypatch.setenv("PERDURE_PRICES", str(tmp_path / "prices.json"))
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        await paid(queue)
        lines = await scraped(port, 'perdure_runs{.*outcome="completed"')
    samples = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in lines.splitlines() if line[:1] != "#"}

    def value(name: str, *labels: str) -> float:
        found = [v for key, v in samples.items() if key.startswith(name + "{") and all(part in key for part in labels)]
        assert len(found) == 1, f"{name} {labels}: {found} in\n{lines}"
        return float(found[0])

    assert value("perdure_runs", 'agent="Payer"', 'outcome="completed"') == 1
    assert value("perdure_turns", 'agent="Payer"') == 2
    assert value("perdure_turns", 'agent="Clerk"') == 2
    assert value("perdure_tokens", 'agent="Clerk"', 'model="ScriptedModel"', 'kind="input"') == 20
    assert value("perdure_cost_usd_sum", 'agent="Clerk"', 'model="ScriptedModel"') == pytest.approx(0.02)
    assert value("perdure_cost_usd_count", 'agent="Payer"', 'model="ScriptedModel"') == 2
    assert value("perdure_tool_calls", 'tool="pay"', 'outcome="ok"') == 1
    assert value("perdure_approvals_asked", 'tool="pay"') == 1
    assert value("perdure_approvals_decided", 'tool="pay"', 'decision="approved"') == 1
    assert value("perdure_approval_wait_count", 'tool="pay"') == 1
    assert "temporal_workflow_task_execution_latency" in lines


async def test_a_thread_s_messages_are_counted_as_runs(
    tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, thread = scrape_port(monkeypatch), f"talk-{queue}"
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        run = await Runner.start("Payer", "pay", thread=thread, task_queue=queue)
        await run.result_or_interruptions()
        await run.approve("3.0", by="ana")
        await run.result()
        with pytest.raises(MaxTurnsExceeded):
            await (await Runner.start("Payer", "pay", thread=thread, task_queue=queue, max_turns=0)).result()
        await (await Runner.thread(thread)).close()
        lines = (await scraped(port, 'perdure_runs{.*outcome="MaxTurnsExceeded"')).splitlines()
    counted = sorted(line for line in lines if line.startswith(("perdure_runs{", "perdure_turns{")))
    told = [(line.partition("{")[0], *re.findall(r'(?:agent|outcome)="(\w+)"', line), line[-1]) for line in counted]
    assert told == [
        ("perdure_runs", "Payer", "MaxTurnsExceeded", "1"),
        ("perdure_runs", "Payer", "completed", "1"),
        ("perdure_turns", "Clerk", "2"),
        ("perdure_turns", "Payer", "2"),
    ]


async def test_metrics_go_to_a_collector(tmp_path: Path, queue: str, collector: Collector) -> None:
    wanted = {
        "perdure_runs",
        "perdure_turns",
        "perdure_unpriced_answers",
        "perdure_tool_duration",
        "temporal_num_pollers",
    }
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        await paid(queue)
        await asyncio.to_thread(collector.wait_until, lambda: wanted <= set(collector.metrics))
    assert collector.metrics["perdure_runs"][0]["agent"] == "Payer"


async def test_metrics_go_by_http(tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_collector() as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        async with worker(tmp_path, "payer_agents", AGENTS, queue):
            await paid(queue)
            await asyncio.to_thread(collector.wait_until, lambda: "perdure_runs" in collector.metrics)


async def test_log_lines_are_json_with_the_run_and_its_trace(tmp_path: Path, queue: str, collector: Collector) -> None:
    (tmp_path / "payer_agents.py").write_text(AGENTS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PERDURE_LOG_FORMAT": "json", "OTEL_METRICS_EXPORTER": "none"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "worker.py"), "payer_agents", "--queue", queue,
        cwd=tmp_path, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    run = await Runner.start("Payer", "pay", task_queue=queue)
    await run.result_or_interruptions()
    process.terminate()
    _, said = await process.communicate()
    lines = [json.loads(line) for line in said.decode().splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    (line,) = [line for line in lines if line["logger"] == "shop"]
    (tool,) = collector.named("execute_tool look")
    assert (line["run_id"], line["trace_id"], line["span_id"]) == (run.id, tool.trace_id, tool.span_id)
    await run.cancel()
