from __future__ import annotations

from typing import Any

import pytest

from perdure.cli import main
from tests.cli.conftest import Shop


def said(served: Shop, *arguments: str) -> dict[str, Any]:
    done = served.perdure(*arguments, "--json")
    assert done.code == 0, done.err
    return done.json


@pytest.mark.thorough
def test_a_run_is_paused_and_resumed_and_says_so(served: Shop) -> None:
    assert served.perdure("run", "Support", "Order 21", "--run-id", "s1").code == 4
    paused = said(served, "pause", "s1", "--reason", "wrong prices", "--by", "ana")
    assert (paused["verdict"], paused["by"], paused["run_id"]) == ("accepted", "ana", "s1")
    assert said(served, "pause", "s1")["explanation"] == "The run was paused already by ana."
    why = served.perdure("why", "s1").out
    assert "Waits for somebody who resumes it: paused by ana at " in why.replace("\n", " ")
    assert "  perdure resume s1" in why.splitlines()
    assert served.perdure("approve", "s1", "1.0").code == 0
    assert said(served, "show", "s1")["status"]["phase"] == "paused"
    assert said(served, "resume", "s1")["verdict"] == "accepted"
    assert served.perdure("run", "Support", "Order 21", "--run-id", "s1").out == "All done.\n"
    late = served.perdure("pause", "s1")
    assert (late.code, late.out) == (1, "")
    assert "has ended" in late.err


@pytest.mark.thorough
def test_an_interrupted_run_waits_for_what_is_sent(served: Shop) -> None:
    assert served.perdure("run", "Support", "Order 22", "--run-id", "s2").code == 4
    assert "waits for" not in said(served, "interrupt", "s2", "--by", "ana")["explanation"]
    why = served.perdure("why", "s2")
    assert "Waits for instructions: interrupted by ana at " in why.out.replace("\n", " ")
    assert "  perdure send s2 WHAT" in why.out.splitlines()
    assert said(served, "send", "s2", "never mind")["verdict"] == "accepted"
    assert served.perdure("run", "Support", "Order 22", "--run-id", "s2").out == "All done.\n"
    shown = [line[10:] for line in served.perdure("show", "s2").out.splitlines()]  # without the times
    assert "output 1.0: Not run: the user has said something in the meantime." in shown
    assert "user: never mind" in shown


@pytest.mark.thorough
def test_what_is_sent_after_tools_waits_for_no_decision(served: Shop) -> None:
    assert served.perdure("run", "Support", "Order 23", "--run-id", "s3").code == 4
    receipt = said(served, "send", "s3", "never mind", "--when", "after-tool")
    assert "calls that wait for a decision are not made" in receipt["explanation"]
    assert served.perdure("run", "Support", "Order 23", "--run-id", "s3").out == "All done.\n"


@pytest.mark.thorough
def test_a_run_is_stopped_with_its_turn(served: Shop) -> None:
    assert served.perdure("run", "Support", "Order 24", "--run-id", "s4").code == 4
    assert said(served, "stop", "s4") == {"run_id": "s4", "stopping": True, "stopped": False}
    assert "goes on" in served.perdure("stop", "s4", "--withdraw").out
    assert "stops once its open turn has ended" in served.perdure("stop", "s4").out
    assert served.perdure("reject", "s4", "1.0").code == 0
    assert served.perdure("why", "s4").code == 0
    late = served.perdure("stop", "s4")
    assert (late.code, "has ended" in late.err) == (1, True)


def test_a_run_that_is_not_there_is_exit_3_and_no_such_moment_is_exit_2(shop: Shop) -> None:
    for command in ("pause", "interrupt", "resume", "stop"):
        missing = shop.perdure(command, "nowhere", "--json")
        assert (missing.code, missing.json["error"]["type"]) == (3, "RunNotFound")


@pytest.mark.parametrize("arguments", [["send", "r", "x", "--when", "soon"], ["pause"], ["stop", "r", "--reason", "x"]])
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    assert main(arguments) == 2
