"""The airline's database: one change for one key, nothing half done, and a readable list of what changed."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from examples.airline import store
from examples.airline.reservations import cancel_reservation, send_certificate

USER = "noah_muller_9847"
RESERVATION = "Z7GOZK"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    database = tmp_path / "airline.db"
    store.build(database)
    return database


def send(path: Path, key: str) -> str:
    with store.connect(path) as db:
        return store.once(db, key, lambda: send_certificate(db, user_id=USER, amount=50))


def certificates(path: Path) -> list[str]:
    with store.connect(path) as db:
        user = store.find(db, "users", USER)
    assert user is not None
    return [each for each in user["payment_methods"] if each.startswith("certificate_32213")]


def test_a_fresh_database_has_no_changes(path: Path) -> None:
    assert store.changes(path) == []


def test_building_again_takes_every_change_and_every_key_back(path: Path) -> None:
    send(path, "key")
    store.build(path)
    assert store.changes(path) == []
    assert send(path, "key").startswith("Certificate certificate_3221322")
    assert certificates(path) == ["certificate_3221322"]


def test_a_repeated_key_changes_nothing_and_answers_the_same(path: Path) -> None:
    first = send(path, "key")
    after_first = store.changes(path)
    assert send(path, "key") == first
    assert store.changes(path) == after_first


def test_two_keys_are_two_changes(path: Path) -> None:
    assert send(path, "one") != send(path, "two")
    assert certificates(path) == ["certificate_3221322", "certificate_3221323"]


def test_threads_with_one_key_make_one_change(path: Path) -> None:
    outputs: list[str] = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait()
        outputs.append(send(path, "key"))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outputs) == 8
    assert set(outputs) == {f"Certificate certificate_3221322 added to user {USER} with amount 50."}
    assert certificates(path) == ["certificate_3221322"]


def test_a_change_that_raises_leaves_neither_change_nor_key(path: Path) -> None:
    def cancel_and_fail(db: sqlite3.Connection) -> str:
        cancel_reservation(db, reservation_id=RESERVATION)
        raise OSError("power cut")

    with store.connect(path) as db, pytest.raises(OSError, match="power cut"):
        store.once(db, "key", lambda: cancel_and_fail(db))
    assert store.changes(path) == []
    assert send(path, "key").startswith("Certificate")


def test_a_refusal_is_answered_again_for_its_key(path: Path) -> None:
    with store.connect(path) as db:
        first = store.once(db, "key", lambda: cancel_reservation(db, reservation_id="NOSUCH"))
        second = store.once(db, "key", lambda: cancel_reservation(db, reservation_id=RESERVATION))
    assert first == second == "Error: reservation not found"
    assert store.changes(path) == []


def test_an_empty_key_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        send(path, "")


def test_a_missing_database_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="build"), store.connect(tmp_path / "none.db"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_changes_are_listed_by_record_and_field(path: Path) -> None:
    with store.connect(path) as db:
        cancel_reservation(db, reservation_id=RESERVATION)
        reservation = store.find(db, "reservations", "M05KNL") or {}
        reservation["passengers"][0]["first_name"] = "Ada"
        reservation["flights"] = []
        store.put(db, "reservations", "M05KNL", reservation)
        db.execute("DELETE FROM flights WHERE id = 'HAT005'")
    lines = store.changes(path)
    assert 'reservation Z7GOZK: payment_history + {"payment_id": "gift_card_2200803", "amount": -169}' in lines
    assert 'reservation Z7GOZK: status -> "cancelled"' in lines
    assert any(line.startswith("reservation M05KNL: passengers[0].first_name ") for line in lines)
    assert any(line.startswith("reservation M05KNL: flights [{") and line.endswith(" -> []") for line in lines)
    assert any(line.startswith("flight HAT005 removed") for line in lines)
    assert len(lines) == 5


def test_a_changed_record_keeps_its_place_in_the_order(path: Path) -> None:
    with store.connect(path) as db:
        before = list(store.every(db, "reservations"))
        cancel_reservation(db, reservation_id=before[0])
        assert list(store.every(db, "reservations")) == before
