from __future__ import annotations

import json

from tests.cli.conftest import Shop


def test_watch_shows_what_a_run_said_and_did(shop: Shop) -> None:
    assert shop.perdure("run", "shop:packer", "Order 7", "--run-id", "watched").code == 0
    found = shop.perdure("watch", "watched")
    assert found.code == 0
    assert found.out.splitlines() == [
        "0.0    agent: Packer",
        '1.1    call: pack {"order_id": "7"}',
        "1.2    output: packed 7",
        "2.1    assistant: Packed.",
    ]
    later = shop.perdure("watch", "watched", "--after", "1.2", "--json")
    [event] = map(json.loads, later.out.splitlines())
    assert (event["offset"], event["name"], event["agent"]) == ("2.1", "message_output_created", "Packer")


def test_watch_refuses_an_offset_that_never_was(shop: Shop) -> None:
    assert shop.perdure("run", "shop:packer", "Order 8", "--run-id", "watched-too").code == 0
    found = shop.perdure("watch", "watched-too", "--after", "9.9")
    assert (found.code, "has the offset '9.9'" in found.err) == (2, True)
