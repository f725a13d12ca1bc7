from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks import imports, linear, long, replay, sessions, speed, streaming, waiting
from benchmarks.__main__ import MEASURES, main, options
from benchmarks.figures import figures, percentile_95, ratios
from benchmarks.job import Job, take_sample
from benchmarks.loop_cost import loop_cpu_ms_per_turn
from benchmarks.loopback import answer, turn_of
from benchmarks.peers import dbos_side, environments
from benchmarks.peers.comparing import PEERS, peers_table
from benchmarks.peers.environments import PeerMissingError, python_of
from benchmarks.sides import Sample, turn_seconds
from benchmarks.speed import Burst, Scale, turns_ms
from benchmarks.speed_sides import BY_NAME, FLOOR, PLUGIN
from benchmarks.speed_table import AIMS, Aim, meets, ratio, speed_table
from benchmarks.stage import open_stage
from benchmarks.tables import growth_table, put_into, turns_table
from benchmarks.watched import Mark
from benchmarks.watching import turns_of

pytestmark = pytest.mark.thorough


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


def test_a_request_is_of_the_turn_after_what_it_has() -> None:
    outputs = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "x"} for n in (1, 2)]
    assert turn_of(json.dumps({"input": outputs}).encode()) == 3
    assert turn_of(json.dumps({"input": [], "previous_response_id": "resp_4"}).encode()) == 5


def test_at_the_model_a_turn_lasts_from_one_request_to_the_next() -> None:
    assert turns_ms([(1, 5.0), (2, 5.5), (3, 5.75)], Job(3, 20)) == [500, 250]
    with pytest.raises(RuntimeError, match=r"turns \[1, 1\], not 1 to 2"):
        turns_ms([(1, 5.0), (1, 5.5)], Job(2, 20))


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


def test_without_a_name_every_question_is_asked() -> None:
    assert options([]).measures == list(MEASURES)
    assert options(["long", "loop"]).measures == ["long", "loop"]


def test_a_question_that_there_is_not_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["lnog"])
    assert f"lnog: there are {', '.join(MEASURES)}" in capsys.readouterr().err


def test_a_ratio_is_the_median_of_pairs_so_that_a_machine_that_slows_down_does_not_count() -> None:
    floor = [sample(0.1), sample(0.2), sample(0.4)]
    assert ratios([sample(0.12), sample(0.24), sample(0.48)], floor)["cpu_ms"] == pytest.approx(1.2)


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile_95([3.0]) == 3.0
    assert percentile_95(list(range(101))) == pytest.approx(95)


def test_the_loop_does_all_turns_of_its_job() -> None:
    assert 0 < loop_cpu_ms_per_turn(Job(5, 100), 10) < 100


def test_the_benchmark_measures_all_sides_on_a_server_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["turns", "--turns", "2", "--runs", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["turns"]
    assert list(found["sides"]) == ["floor", "by name", "in process"]
    for side in found["sides"].values():
        assert side["latency_ms_p50"] > 0
        assert side["cpu_ms"] > 0
    assert "worker CPU ms" in turns_table(found)
    assert "history bytes" in growth_table([found])


async def test_a_run_is_watched_early_late_and_to_its_end() -> None:
    async with open_stage() as stage:
        early_and_late = await linear.measure(stage, places=(2, 8), runs=1)
        very_long = await long.measure(stage, places=(2, 4))
    assert early_and_late["turns"][2]["cpu_ms"] > early_and_late["turns"][2]["request_cpu_ms"] > 0
    assert (very_long["histories"], list(very_long["marks"])) == (1, [2, 4])
    assert very_long["largest_bytes"] > 4 * 2048
    assert "The rest late / early" in MEASURES["linear"].table(early_and_late)
    assert "1 histories" in MEASURES["long"].table(very_long)


async def test_a_worker_s_memory_is_told_for_each_number_of_waiting_runs() -> None:
    async with open_stage() as stage:
        found = await waiting.measure(stage, counts=(1, 3))
    assert list(found["mb"]) == [0, 1, 3]
    assert "MB per 100 runs" in MEASURES["waiting"].table(found)


async def test_watching_is_measured_with_its_histories() -> None:
    async with open_stage() as stage:
        found = await streaming.measure(stage, rounds=1, long=(3, 1), runs=2)
        remembered = await sessions.measure(stage, turns=(1, 2), rounds=1)
    took = {side: each["p50"] for side, each in found["first_word_ms"].items()}
    assert took["across"] > took["bare"] > 0
    assert took["watched"] > took["bare"]
    events = [each["events"] for each in found["histories"].values()]
    assert (events[0], events[2]) == (events[1], events[3])
    assert all(rate > 0 for rate in found["runs_per_second"].values())
    sides = remembered["sides"]
    assert sides["1 turns, given as input"]["events"] < sides["1 turns, in a session"]["events"]
    assert "2 turns, of which 20 items are read" in MEASURES["sessions"].table(remembered)
    assert "by who serves and who watches" in MEASURES["streaming"].table(found)


async def test_both_sides_histories_are_replayed() -> None:
    async with open_stage() as stage:
        found = await replay.measure(stage, turns=3, runs=1)
    assert [took["cpu_ms"] > 0 for took in found["sides"].values()] == [True, True]
    assert "CPU by name / floor" in MEASURES["replay"].table(found)


async def test_an_import_is_measured_beside_temporal_s_client() -> None:
    async with open_stage() as stage:
        found = await imports.measure(stage, rounds=1)
    took = found["imports"]
    assert took["import temporalio.client"]["ratio"] == 1
    assert took["import perdure"]["cpu_ms"] > 0
    assert "from perdure import Agent, Runner, function_tool" in MEASURES["imports"].table(found)


def test_what_a_turn_took_lies_between_two_marks() -> None:
    turns = turns_of([Mark(1.0, 0.5, 0.1, 0.05, 9), Mark(1.5, 0.75, 0.2, 0.075, 9)])
    assert [tuple(round(value) for value in turn) for turn in turns] == [(500, 250, 100, 25)]


def test_an_aim_is_met_below_its_limit_and_that_of_runs_per_second_above() -> None:
    assert [meets(Aim("cpu_ms", BY_NAME, FLOOR, 1.2), found) for found in (1.1, 1.2, 1.3)] == [True, True, False]
    many = Aim("runs_per_second_64_of_10", BY_NAME, PLUGIN, 1.5)
    assert [meets(many, found) for found in (1.4, 1.5)] == [False, True]


def test_a_speed_ratio_is_that_of_each_round_and_there_is_none_of_what_was_not_measured() -> None:
    sides = {FLOOR: {"cpu_ms": [1.0, 2.0, 4.0]}, BY_NAME: {"cpu_ms": [1.5, 3.0, 5.0]}}
    assert ratio(sides, "cpu_ms", BY_NAME, FLOOR) == pytest.approx(1.5)
    assert ratio(sides, "cpu_ms", BY_NAME, PLUGIN) is None
    assert ratio(sides, "latency_ms_p50", BY_NAME, FLOOR) is None


def test_a_page_has_the_new_table_where_it_had_the_old_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- speed -->\nold\n<!-- /speed -->\nafter\n")
    put_into(page, "speed", "new")
    assert page.read_text() == "before\n<!-- speed -->\n\nnew\n<!-- /speed -->\nafter\n"
    with pytest.raises(ValueError, match="no place for 'long'"):
        put_into(page, "long", "new")


@pytest.mark.network
@pytest.mark.timeout(600)  # the peers are installed once
async def test_all_sides_have_all_figures_of_speed() -> None:
    try:
        for peer in (PEERS[PLUGIN].program, dbos_side.PROGRAM):
            python_of(peer)
    except PeerMissingError as error:
        pytest.skip(str(error))
    small = Scale(
        turns=3,
        rounds=1,
        bursts=(Burst(2, 4, 4),),
        burst_rounds=1,
        spawns=1,
        replayed_turns=3,
        replays=1,
        waiting=(2, 4),
    )
    async with open_stage() as stage:
        found = json.loads(json.dumps(await speed.measure(stage, small)))
    assert found["missing"] == []
    everywhere = {"latency_ms_p50", "latency_ms_p95", "cpu_ms", "events", "history_bytes", "runs_per_second_4_of_2"}
    assert [everywhere - set(figures) for figures in found["sides"].values()] == [set()] * 7
    assert [side for side, figures in found["sides"].items() if "server_cpu_ms" not in figures] == ["DBOS"]
    with_processes = ["floor", "by name", "in process", "temporalio-openai-agents", "DBOS"]
    assert [side for side, figures in found["sides"].items() if "cold_ms" in figures] == with_processes
    assert [side for side, figures in found["sides"].items() if "mb_per_100" in figures] == with_processes
    assert {side for side, figures in found["sides"].items() if "replay_cpu_ms" not in figures} == {
        "in process",
        "in process, local tool",
        "DBOS",
    }
    assert found["sides"]["by name, local tool"]["events"] < found["sides"]["by name"]["events"]
    table = speed_table(found)
    assert all(f"{aim.side} / {aim.other}" in table for aim in AIMS)
    assert "dbos 3" in table


def test_a_peer_that_dies_is_told_with_the_call_it_died_at() -> None:
    died = {"turns": 200, "side": "Pydantic AI", "died": "it died at model call 166"}
    table = peers_table({"size": 2048, "rows": [died], "missing": ["x is not compared: no network"]})
    assert "Pydantic AI, 200 turns: it died at model call 166" in table
    assert "x is not compared" in table


def test_a_peer_whose_environment_cannot_be_made_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "perdure").write_text("a file where the cache's folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(PeerMissingError, match=r"openai_agents_plugin is not compared: .* failed: "):
        python_of("openai_agents_plugin")


@pytest.mark.parametrize("peer", [*(peer.program for peer in PEERS.values()), dbos_side.PROGRAM])
def test_a_peer_s_packages_are_pinned_with_their_hashes(peer: str) -> None:
    folder = Path(environments.__file__).parent
    asked, pinned = ((folder / f"{peer}.{kind}").read_text() for kind in ("in", "txt"))
    names = [re.sub(r"\[.*?\]", "", line) for line in asked.split()]
    assert names
    assert all(f"{name} \\\n    --hash=sha256:" in pinned for name in names)
