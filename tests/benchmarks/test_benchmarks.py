from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks.__main__ import main
from benchmarks.figures import figures, percentile_95, ratios
from benchmarks.job import Job, take_sample
from benchmarks.loop_cost import loop_cpu_ms_per_turn
from benchmarks.loopback import answer
from benchmarks.sides import Sample, turn_seconds
from benchmarks.tables import growth_table, turns_table


def sample(seconds: float, turns: int = 2) -> Sample:
    return Sample(Job(turns, 20), [seconds] * turns, turns * seconds, seconds, 10 * turns, 1000 * turns)


def history_event(kind: EventType.ValueType, milliseconds: int, activity: str = "") -> HistoryEvent:
    event = HistoryEvent(event_type=kind)
    event.event_time.FromMilliseconds(milliseconds)
    if activity:
        event.activity_task_scheduled_event_attributes.activity_type.name = activity
    return event


def asked(**body: Any) -> dict[str, Any]:
    return json.loads(answer(json.dumps(body).encode()))


def test_a_job_is_told_to_the_model_by_its_name() -> None:
    assert Job.of(Job(30, 2048).model) == Job(30, 2048)
    with pytest.raises(ValueError, match="gpt-9"):
        Job.of("gpt-9")


def test_a_tool_result_has_the_size_that_is_asked_for() -> None:
    assert [len(take_sample(7, size)) for size in (5, 20, 2048)] == [5, 20, 2048]


def test_the_loopback_model_counts_the_outputs_of_a_whole_conversation() -> None:
    outputs = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "x"} for n in (1, 2)]
    assert asked(model="bench-9-20", input=outputs)["output"][0]["call_id"] == "call_3"
    assert asked(model="bench-3-20", input=outputs)["output"][0]["type"] == "message"


def test_the_loopback_model_goes_on_from_the_previous_response() -> None:
    said = asked(model="bench-9-20", input=[], previous_response_id="resp_4")
    assert (said["id"], said["output"][0]["call_id"]) == ("resp_5", "call_5")


def test_a_turn_lasts_from_model_call_to_model_call_and_the_last_to_the_end() -> None:
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    events = [
        history_event(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, 0),
        history_event(scheduled, 10, "call_model"),
        history_event(scheduled, 25, "tool.sample"),
        history_event(scheduled, 40, "call_model"),
        history_event(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, 60),
    ]
    assert turn_seconds(events) == [0.03, 0.02]


def test_figures_are_per_turn() -> None:
    found = figures([sample(0.1), sample(0.3), sample(0.2)])
    assert found.client_ms == pytest.approx(200)
    assert found.cpu_ms == pytest.approx(100)
    assert (found.events, found.history_bytes) == (10, 1000)


def test_a_ratio_is_the_median_of_pairs_so_that_a_machine_that_slows_down_does_not_count() -> None:
    floor = [sample(0.1), sample(0.2), sample(0.4)]
    assert ratios([sample(0.12), sample(0.24), sample(0.48)], floor)["cpu_ms"] == pytest.approx(1.2)


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile_95([3.0]) == 3.0
    assert percentile_95(list(range(101))) == pytest.approx(95)


def test_the_loop_does_all_turns_of_its_job() -> None:
    assert 0 < loop_cpu_ms_per_turn(Job(5, 100), 10) < 100


def test_the_benchmark_measures_all_sides_on_a_server_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--turns", "2", "--runs", "1", "--tables", "turns", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["turns"]
    assert list(found["sides"]) == ["floor", "by name", "in process"]
    for side in found["sides"].values():
        assert side["latency_ms_p50"] > 0
        assert side["cpu_ms"] > 0
    assert "worker CPU ms" in turns_table(found)
    assert "history bytes" in growth_table([found])
