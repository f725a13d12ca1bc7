"""What the airline refuses, and how its calculator reads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.airline import lookups, reservations, store
from examples.airline.arithmetic import LONGEST_EXPRESSION, calculate
from examples.airline.shapes import Booking, Flight

USER = "ivan_muller_7015"
CARD, GIFT, CERTIFICATE = "credit_card_3563913", "gift_card_8516878", "certificate_8998287"
BOOKABLE: list[Flight] = [
    {"flight_number": "HAT097", "date": "2024-05-17"},
    {"flight_number": "HAT251", "date": "2024-05-17"},
]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    store.build(tmp_path / "airline.db")
    with store.connect(tmp_path / "airline.db") as connection:
        yield connection


def book(db: sqlite3.Connection, **changed: Any) -> str:
    booking: dict[str, Any] = {
        "user_id": USER,
        "origin": "DTW",
        "destination": "SEA",
        "flight_type": "one_way",
        "cabin": "economy",
        "flights": BOOKABLE,
        "passengers": [{"first_name": "Ivan", "last_name": "Smith", "dob": "1986-03-14"}],
        "payment_methods": [{"payment_id": CARD, "amount": 375}],
        "total_baggages": 0,
        "nonfree_baggages": 0,
        "insurance": "no",
    }
    return reservations.book_reservation(db, Booking(**(booking | changed)))


def user(db: sqlite3.Connection) -> dict[str, Any]:
    return store.find(db, "users", USER) or {}


def test_a_booking_takes_the_first_free_number_and_never_the_fourth(db: sqlite3.Connection) -> None:
    booked = [json.loads(book(db))["reservation_id"] for _ in range(3)]
    assert booked == ["HATHAT", "HATHAU", "HATHAV"]
    assert user(db)["reservations"][-3:] == booked
    assert book(db) == "Error: no reservation number is free"


def test_insurance_and_bags_that_are_not_free_are_charged(db: sqlite3.Connection) -> None:
    answer = book(db, insurance="yes", nonfree_baggages=2)
    assert answer == "Error: payment amount does not add up, total price is 505, but paid 375"


def test_a_certificate_is_used_up_and_a_gift_card_charged(db: sqlite3.Connection) -> None:
    methods = user(db)["payment_methods"]
    gift, worth = methods[GIFT]["amount"], methods[CERTIFICATE]["amount"]
    assert gift >= 75
    assert worth >= 200
    payments = [
        {"payment_id": GIFT, "amount": 75},
        {"payment_id": CERTIFICATE, "amount": 200},
        {"payment_id": CARD, "amount": 100},
    ]
    assert json.loads(book(db, payment_methods=payments))["payment_history"] == payments
    assert user(db)["payment_methods"][GIFT]["amount"] == gift - 75
    assert CERTIFICATE not in user(db)["payment_methods"]


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({"user_id": "nobody"}, "Error: user not found"),
        ({"flights": [{"flight_number": "HAT000", "date": "2024-05-17"}]}, "Error: flight HAT000 not found"),
        (
            {"flights": [{"flight_number": "HAT097", "date": "2025-01-01"}]},
            "Error: flight HAT097 not found on date 2025-01-01",
        ),
        (
            {"flights": [{"flight_number": "HAT097", "date": "2024-05-01"}]},
            "Error: flight HAT097 not available on date 2024-05-01",
        ),
        ({"passengers": [{}] * 99}, "Error: not enough seats on flight HAT097"),
        ({"payment_methods": [{"payment_id": "x", "amount": 375}]}, "Error: payment method x not found"),
        (
            {"payment_methods": [{"payment_id": GIFT, "amount": 375}]},
            f"Error: not enough balance in payment method {GIFT}",
        ),
        (
            {"payment_methods": [{"payment_id": GIFT, "amount": 125}] * 3},
            f"Error: not enough balance in payment method {GIFT}",
        ),
    ],
)
def test_a_refused_booking_changes_nothing(
    db: sqlite3.Connection, tmp_path: Path, changed: dict[str, Any], answer: str
) -> None:
    assert book(db, **changed) == answer
    assert store.changes(tmp_path / "airline.db") == []


@pytest.mark.parametrize(
    ("payment_id", "answer"),
    [
        ("x", "Error: payment method not found"),
        (CERTIFICATE, "Error: certificate cannot be used to update reservation"),
        (GIFT, "Error: gift card balance is not enough"),
    ],
)
def test_an_update_that_cannot_be_paid_changes_nothing(db: sqlite3.Connection, payment_id: str, answer: str) -> None:
    reservation_id = json.loads(book(db))["reservation_id"]
    before = lookups.get_reservation_details(db, reservation_id), user(db)
    outputs = [
        reservations.update_reservation_baggages(
            db, reservation_id=reservation_id, total_baggages=9, nonfree_baggages=9, payment_id=payment_id
        ),
        reservations.update_reservation_flights(
            db, reservation_id=reservation_id, cabin="business", flights=BOOKABLE, payment_id=payment_id
        ),
    ]
    assert outputs == [answer, answer]
    assert (lookups.get_reservation_details(db, reservation_id), user(db)) == before


def test_unchanged_flights_keep_their_price_and_cost_nothing(db: sqlite3.Connection) -> None:
    booked = json.loads(book(db))
    updated = json.loads(
        reservations.update_reservation_flights(
            db, reservation_id=booked["reservation_id"], cabin="economy", flights=BOOKABLE, payment_id=CARD
        )
    )
    assert updated == booked


def test_the_number_of_passengers_cannot_change(db: sqlite3.Connection) -> None:
    answer = reservations.update_reservation_passengers(db, reservation_id="Z7GOZK", passengers=[])
    assert answer == "Error: number of passengers does not match"


def test_unknown_ids_are_answered_with_a_sentence(db: sqlite3.Connection) -> None:
    assert lookups.get_user_details(db, "nobody") == "Error: user not found"
    assert lookups.get_reservation_details(db, "NOSUCH") == "Error: reservation not found"
    assert reservations.send_certificate(db, user_id="nobody", amount=5) == "Error: user not found"


def test_a_fourth_certificate_is_refused(db: sqlite3.Connection) -> None:
    answers = [reservations.send_certificate(db, user_id=USER, amount=5) for _ in range(4)]
    assert answers[2] == f"Certificate certificate_3221324 added to user {USER} with amount 5."
    assert answers[3].startswith("Error: ")


def test_an_amount_stays_a_float_or_an_int_as_it_came(db: sqlite3.Connection) -> None:
    answers = [reservations.send_certificate(db, user_id=USER, amount=amount) for amount in (55.0, 55)]
    assert [answer.split()[-1] for answer in answers] == ["55.0.", "55."]


def test_a_search_for_a_date_without_flights_is_an_empty_list(db: sqlite3.Connection) -> None:
    assert lookups.search_direct_flight(db, "JFK", "SEA", "tomorrow") == "[]"
    assert lookups.search_onestop_flight(db, "JFK", "SEA", "tomorrow") == "[]"


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("2 + 2", "4.0"),
        (" (158 + 141) + 30", "329.0"),
        ("10 / 4 - -1.5", "4.0"),
        ("2 * (3 + 4) / 7", "2.0"),
        ("1 / 3", "0.33"),
        ("1e5", "Error: invalid characters in expression"),
        ("__import__('os')", "Error: invalid characters in expression"),
        ("1 / 0", "Error: division by zero"),
        ("2 +", "Error: '2 +' is not an arithmetic expression"),
        ("", "Error: '' is not an arithmetic expression"),
        ("9**9**9", "Error: '9**9**9' is not an arithmetic expression"),
        ("1(2)", "Error: '1(2)' is not an arithmetic expression"),
    ],
)
def test_the_calculator_reads_arithmetic_and_nothing_else(expression: str, answer: str) -> None:
    assert calculate(expression) == answer


@pytest.mark.parametrize("expression", ["(" * 400 + "1" + ")" * 400, "-" * 999 + "1", "1" * (LONGEST_EXPRESSION + 1)])
def test_an_overlong_or_deep_expression_is_an_error_sentence_or_a_number(expression: str) -> None:
    assert calculate(expression).startswith(("Error: ", "-1.0"))
