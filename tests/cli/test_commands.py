from __future__ import annotations

import json
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from perdure.cli import main
from tests.cli.conftest import Shop


@pytest.fixture(scope="module")
def waiting(served: Shop) -> str:
    """A run that waits for approval."""
    run_id = "order-" + "7" * 150
    assert served.perdure("run", "Support", "Order 7", "--run-id", run_id).code == 4
    return run_id


def test_a_run_by_name_waits_for_approval_and_goes_on_once_approved(served: Shop) -> None:
    paused = served.perdure("run", "Support", "Order 7 [bold]arrived[/bold] broken", "--run-id", "r 1", "--json")
    assert paused.code == 4
    assert paused.json["status"] == "waiting for approval"
    assert [(call["call_id"], call["tool"]) for call in paused.json["approvals"]] == [("1.0", "refund")]

    receipt = served.perdure("approve", "r 1", "1.0", "--by", "ana", "--json")
    assert (receipt.code, receipt.json["verdict"], receipt.json["by"]) == (0, "accepted", "ana")

    ended = served.perdure("run", "Support", "Order 7 [bold]arrived[/bold] broken", "--run-id", "r 1")
    assert (ended.code, ended.out) == (0, "All done.\n")

    shown = [line[10:] for line in served.perdure("show", "r 1").out.splitlines()]  # without the times
    assert "user: Order 7 [bold]arrived[/bold] broken" in shown
    assert 'call 1.0: refund {"order_id": "7"}' in shown
    assert "output 1.0: refunded 7" in shown
    assert "assistant: All done." in shown
    assert any(line.startswith("  approved by ana at ") for line in shown)


def test_a_rejection_tells_the_model_its_reason_and_a_second_decision_is_refused(served: Shop) -> None:
    assert served.perdure("run", "Support", "Order 8", "--run-id", "r2").code == 4
    assert served.perdure("reject", "r2", "1.0", "--by", "bob", "--reason", "too late").code == 0
    assert served.perdure("run", "Support", "Order 8", "--run-id", "r2").code == 0
    late = served.perdure("approve", "r2", "1.0", "--json")
    assert (late.code, late.json["error"]["type"]) == (1, "DecisionConflictError")
    shown = served.perdure("show", "r2").out
    assert "output 1.0: too late" in shown
    assert "rejected by bob" in shown


def test_approvals_of_all_runs_come_with_the_command_that_decides(served: Shop, waiting: str) -> None:
    assert f"  perdure approve {waiting} 1.0" in served.perdure("approvals").out.splitlines()
    (call,) = served.perdure("approvals", waiting, "--json").json
    assert {"run_id", "call_id", "tool", "arguments", "agent", "digest", "since", "expires"} == set(call)


def test_the_outcome_of_a_call_that_is_not_asked_for_is_refused(served: Shop, waiting: str) -> None:
    refused = served.perdure("resolve", waiting, "1.0", "not-happened", "--json")
    assert (refused.code, refused.json["error"]["type"]) == (1, "DecisionConflictError")
    assert "not asked for" in refused.json["error"]["message"]


@pytest.mark.thorough
def test_what_is_sent_to_a_run_is_said_once_for_each_name(served: Shop) -> None:
    assert served.perdure("run", "Support", "Order 9", "--run-id", "r9").code == 4
    first, again = (served.perdure("send", "r9", "a bag, too", "--message-id", "m1", "--json") for _ in range(2))
    assert [each.json["verdict"] for each in (first, again)] == ["accepted", "repeated"]
    assert served.perdure("approve", "r9", "1.0").code == 0
    assert served.perdure("run", "Support", "Order 9", "--run-id", "r9").code == 0
    assert "user: a bag, too" in served.perdure("show", "r9").out
    late = served.perdure("send", "r9", "thanks")
    assert (late.code, late.out) == (1, "")
    assert "has ended" in late.err


def test_a_call_that_does_not_exist_is_exit_3(served: Shop, waiting: str) -> None:
    refused = served.perdure("approve", waiting, "9.9")
    assert refused.code == 3
    assert refused.out == ""
    assert refused.err == f"error: Run '{waiting}': No call 9.9 is known; waiting now: 1.0.\n"


def test_show_as_json_has_status_and_transcript(served: Shop, waiting: str) -> None:
    shown = served.perdure("show", waiting, "--json").json
    assert shown["status"]["phase"] == "waiting for approval"
    assert (shown["execution"], shown["served"], shown["queue"]) == ("running", True, "perdure")
    assert [entry["kind"] for entry in shown["transcript"]] == ["input", "answer"]


def test_runs_are_listed_with_whole_ids(served: Shop, waiting: str) -> None:
    query = ("--query", f'WorkflowId = "{waiting}"')
    (listed,) = served.perdure("runs", *query, "--json").json
    assert (listed["run_id"], listed["agent"], listed["status"]) == (waiting, "Support", "running")
    assert waiting in served.perdure("runs", *query, COLUMNS="40").out.split()


def test_an_agent_that_no_worker_has_fails_the_run_with_what_there_is(served: Shop) -> None:
    failed = served.perdure("run", "Nobody", "Hi", "--run-id", "r3", "--json")
    assert failed.code == 1
    assert failed.json["run_id"] == "r3"
    assert "no agent 'Nobody' (it serves: Broken, Packer, Support)" in failed.json["error"]["message"]


def test_a_failed_run_is_exit_1_without_a_traceback(served: Shop) -> None:
    failed = served.perdure("run", "Broken", "Hi")
    assert (failed.code, failed.out) == (1, "")
    assert "error: RunFailed: ValueError: the model is [red]ill[/red]" in failed.err.replace("\n", " ")
    assert "Traceback" not in failed.err


@pytest.mark.thorough
def test_a_cancelled_run_is_cancelled_once(served: Shop) -> None:
    assert served.perdure("run", "Support", "Order 10", "--run-id", "r4").code == 4
    assert served.perdure("cancel", "r4", "--json").json == {"run_id": "r4", "requested": "cancel"}
    ended = served.perdure("run", "Support", "Order 10", "--run-id", "r4", "--json")
    assert (ended.code, ended.json["error"]["type"]) == (1, "RunCancelled")
    again = served.perdure("cancel", "r4")
    assert (again.code, again.err) == (1, "error: Run 'r4' has ended already (canceled).\n")


@pytest.mark.thorough
def test_an_agent_of_a_module_is_served_by_the_command_itself(shop: Shop) -> None:
    paused = shop.perdure("run", "shop:support", "-", "--run-id", "r5", given="Order 11")
    assert paused.code == 4
    assert "  perdure run shop:support 'Order 11' --run-id r5" in paused.out.splitlines()
    assert "unserved" in shop.perdure("show", "r5").out
    assert shop.perdure("approve", "r5", "1.0").code == 0
    ended = shop.perdure("run", "shop:support", "Order 11", "--run-id", "r5")
    assert (ended.code, ended.out) == (0, "All done.\n")


@pytest.mark.thorough
def test_a_run_that_nobody_serves_is_exit_6(shop: Shop) -> None:
    left = shop.perdure("run", "Support", "Hi", "--queue", "empty", "--run-id", "r6")
    assert left.code == 6
    assert "perdure worker MODULE --queue empty" in left.err


def test_ctrl_c_is_exit_130_and_leaves_the_run(shop: Shop) -> None:
    process = shop.start("run", "Support", "Hi", "--queue", "empty", "--run-id", "r7")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("run r7")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.startswith("Interrupted.")


def test_a_run_that_does_not_exist_is_exit_3(shop: Shop) -> None:
    missing = shop.perdure("show", "nowhere", "--json")
    assert (missing.code, missing.json["error"]["type"]) == (3, "RunNotFound")


def test_no_server_is_exit_5(shop: Shop) -> None:
    unreachable = shop.perdure("runs", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (unreachable.code, unreachable.out) == (5, "")
    assert unreachable.err.startswith("error: No Temporal server answers at 127.0.0.1:1")


def test_wrong_usage_is_exit_2(shop: Shop) -> None:
    assert main(["show"]) == 2
    assert shop.perdure("runs", "--query", "no such ~ condition").code == 2


def test_the_embedded_server_is_started_shown_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def document(verb: str, code: int) -> dict[str, Any]:
        assert main(["server", verb, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    monkeypatch.setenv("PERDURE_HOME", str(tmp_path))
    assert document("status", 5) == {"running": False, "home": str(tmp_path.resolve())}
    started = document("start", 0)
    try:
        assert document("status", 0) == started
    finally:
        assert document("stop", 0) == {"running": False, "stopped": True}


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "4  the run waits for approval" in capsys.readouterr().out


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"perdure {version('perdure')}\n"
