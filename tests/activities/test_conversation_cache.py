"""A worker's memory of conversations is bounded, believes nothing unhashed, and is measured."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import Counter

import pytest
from temporalio.client import Client
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from activities.conversation_cache import ConversationCache, Held, are_intact
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.contracts.messages import DecisionMessage, StatusView
from perdure.contracts.run import RunInput
from perdure.served import ServedAgents
from perdure.testing import tool_call
from perdure.transcript import chain
from tests.activities.workbench import ORIGIN, user
from tests.agents import add, scripted, slow_refund
from worker import WorkerSettings, build_worker


def held(text: str) -> Held:
    return Held(text.encode(), text.encode())


def referenced(text: str) -> Held:
    return Held(b"reference", text.encode(), hashlib.sha256(text.encode()).hexdigest())


def digest_of(items: list[Held]) -> str:
    return chain(ORIGIN, (each.stored for each in items))


def test_the_least_recently_used_goes_first_and_what_is_kept_is_counted() -> None:
    cache = ConversationCache(max_bytes=10)
    cache.put("a", [held("aaaa")])
    cache.put("b", [held("bbbb")])
    cache.put("a", cache.take("a") or [])
    cache.put("c", [held("cccc")])
    assert cache.bytes == 8
    assert (cache.take("b"), cache.take("a"), cache.take("c")) == (None, [held("aaaa")], [held("cccc")])
    assert cache.bytes == 0


def test_a_conversation_larger_than_the_memory_is_kept_alone() -> None:
    cache = ConversationCache(max_bytes=10)
    cache.put("a", [held("aaaa")])
    cache.put("b", [held("b" * 100)])
    assert (cache.take("a"), cache.take("b")) == (None, [held("b" * 100)])


def test_an_item_of_the_blob_store_takes_the_room_of_both_its_forms() -> None:
    cache = ConversationCache(max_bytes=100)
    cache.put("a", [referenced("twelve bytes")])
    assert cache.bytes == len(b"reference") + 12


@pytest.mark.parametrize("place", [0, 1])
def test_items_are_intact_only_as_they_were_hashed(place: int) -> None:
    items = [held("one"), referenced("two")]
    digest = digest_of(items)
    assert are_intact(items, ORIGIN, digest)
    assert not are_intact(items[:1], ORIGIN, digest)
    for forged in (items[place]._replace(item=b"forged"), items[place]._replace(stored=b"forged", item=b"forged")):
        assert not are_intact([*items[:place], forged, *items[place + 1 :]], ORIGIN, digest)


async def test_a_worker_s_metrics_tell_how_often_it_had_a_conversation() -> None:
    """A run of three model calls: the first needs nothing, a second worker makes the last."""
    client = (await connect()).client
    queue = f"measured-{uuid.uuid4().hex[:8]}"
    given = RunInput(agent="Measured", input=[user("go")])
    handle = await client.start_workflow("AgentRun", given, id=queue, task_queue=queue)
    async with _Measured(queue) as first:
        while (await handle.query("status", result_type=StatusView)).phase != "waiting for approval":  # noqa: ASYNC110  a pause is no event
            await asyncio.sleep(0.05)
    await handle.signal("approve", DecisionMessage(call_id="2.0"))
    async with _Measured(queue) as second:
        await handle.result()
    assert first.counted() == {"perdure_transcript_cache_hits": 1}
    counted = second.counted()
    pulled = counted.pop("perdure_transcript_pulled_bytes")
    assert counted == {"perdure_transcript_cache_misses": 1}
    assert 0 < pulled < second.gauge()


class _Measured:
    """A worker whose metrics are kept."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._buffer = MetricBuffer(10_000)
        self._seen: list[tuple[str, float]] = []

    async def __aenter__(self) -> _Measured:
        runtime = Runtime(telemetry=TelemetryConfig(metrics=self._buffer))
        address = (await connect()).address
        client = await Client.connect(address, data_converter=data_converter, runtime=runtime)
        served = ServedAgents()
        calls = [tool_call("add", {"a": 1, "b": 2}), tool_call("slow_refund", {"order_id": "7"})]
        agent = scripted(*calls, "done", name="Measured", tools=[add, slow_refund])
        served.serve([agent], asyncio.get_running_loop())
        self._worker = build_worker(client, served, None, WorkerSettings(self._queue))
        await self._worker.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._worker.__aexit__(None, None, None)
        self._seen = [(update.metric.name, update.value) for update in self._buffer.retrieve_updates()]

    def counted(self) -> Counter[str]:
        """The sums of the counters of ours."""
        sums: Counter[str] = Counter()
        for name, value in self._seen:
            if name.startswith("perdure_transcript_") and name != "perdure_transcript_cache_bytes":
                sums[name] += int(value)
        return sums

    def gauge(self) -> float:
        """How much was kept at last."""
        return [value for name, value in self._seen if name == "perdure_transcript_cache_bytes"][-1]
