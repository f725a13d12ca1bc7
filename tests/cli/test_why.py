from __future__ import annotations

from tests.cli.conftest import Shop


def test_why_names_a_process_that_is_gone_and_the_commands_that_help(shop: Shop) -> None:
    assert shop.perdure("run", "shop:support", "Order 20", "--run-id", "w 1").code == 4
    found = shop.perdure("why", "w 1")
    assert found.code == 0
    sentence, *commands = found.out.splitlines()
    assert sentence.startswith('Waits for a decision about call 1.0 (refund {"order_id": "7"}) of agent \'Support\', ')
    assert "; and then waits for its process: process " in sentence
    assert "which served it, has ended (start its program again" in sentence
    assert commands == [
        "  perdure approve 'w 1' 1.0",
        "  perdure reject 'w 1' 1.0 --reason WHY",
        "  perdure run MODULE:AGENT INPUT --run-id 'w 1'",
    ]


def test_why_as_json_has_the_sentence_and_what_it_was_drawn_from(shop: Shop) -> None:
    assert shop.perdure("run", "Support", "Hi", "--queue", "deserted", "--run-id", "w2", "--no-wait").code == 0
    found = shop.perdure("why", "w2", "--json")
    assert found.code == 0
    assert found.json["sentence"] == "Waits for a worker: nobody takes steps of task queue 'deserted'."
    assert (found.json["execution"], found.json["waits_for"]) == ("running", "worker")
    assert found.json["commands"] == ["perdure worker MODULE --queue deserted"]
    assert {"queue", "status", "steps", "answering", "taking_steps", "owner_is_dead"} <= set(found.json["seen"])


def test_why_of_a_run_that_does_not_exist_is_exit_3(shop: Shop) -> None:
    missing = shop.perdure("why", "nowhere", "--json")
    assert (missing.code, missing.json["error"]["type"]) == (3, "RunNotFound")
