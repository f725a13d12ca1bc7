"""What the agent may change: reservations, and the payment methods that pay for them.

Each function checks everything before it writes anything, so an answer that starts with `Error: ` has changed nothing.
They run inside the transaction of `once`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import cast

from .lookups import is_available
from .shapes import Booking, Flight, Passenger, Payment
from .store import Record, find, put

NOW = "2024-05-15T15:00:00"  # the time that the agent's policy states
INSURANCE_USD = 30  # per passenger
BAG_USD = 50  # per bag that is not free
NEW_RESERVATION_IDS = ("HATHAT", "HATHAU", "HATHAV")
NEW_CERTIFICATE_IDS = ("certificate_3221322", "certificate_3221323", "certificate_3221324")


class RefusedError(Exception):
    """The airline does not do that; the message is the sentence for the model."""


def book_reservation(connection: sqlite3.Connection, booking: Booking) -> str:
    """Book flights and charge the payment methods; answers the new reservation as JSON."""
    user = find(connection, "users", booking.user_id)
    if user is None:
        return "Error: user not found"
    free_ids = [each for each in NEW_RESERVATION_IDS if find(connection, "reservations", each) is None]
    if not free_ids:
        return "Error: no reservation number is free"
    seats = len(booking.passengers)
    try:
        flights = [_priced(connection, flight, booking.cabin, seats) for flight in booking.flights]
        price = _fares(flights) * seats + BAG_USD * booking.nonfree_baggages
        price += INSURANCE_USD * seats if booking.insurance == "yes" else 0
        _pay(user, booking.payment_methods, price)
    except RefusedError as refusal:
        return f"Error: {refusal}"
    reservation: Record = {
        "reservation_id": free_ids[0],
        "user_id": booking.user_id,
        "origin": booking.origin,
        "destination": booking.destination,
        "flight_type": booking.flight_type,
        "cabin": booking.cabin,
        "flights": flights,
        "passengers": booking.passengers,
        "payment_history": booking.payment_methods,
        "created_at": NOW,
        "total_baggages": booking.total_baggages,
        "nonfree_baggages": booking.nonfree_baggages,
        "insurance": booking.insurance,
    }
    user["reservations"].append(free_ids[0])
    put(connection, "users", booking.user_id, user)
    return _saved(connection, reservation)


def cancel_reservation(connection: sqlite3.Connection, *, reservation_id: str) -> str:
    """Cancel a reservation and note every payment's refund; answers the reservation as JSON."""
    reservation = find(connection, "reservations", reservation_id)
    if reservation is None:
        return "Error: reservation not found"
    payments: list[Record] = reservation["payment_history"]
    refunds = [{"payment_id": paid["payment_id"], "amount": -paid["amount"]} for paid in payments]
    payments.extend(refunds)
    reservation["status"] = "cancelled"
    return _saved(connection, reservation)


def update_reservation_flights(
    connection: sqlite3.Connection, *, reservation_id: str, cabin: str, flights: Sequence[Flight], payment_id: str
) -> str:
    """Replace a reservation's flights and charge the difference; answers the reservation as JSON."""
    reservation = find(connection, "reservations", reservation_id)
    if reservation is None:
        return "Error: reservation not found"
    seats = len(reservation["passengers"])
    # A flight keeps the price it was booked at, unless the cabin is another.
    kept = {_leg(flight): flight for flight in reservation["flights"] if cabin == reservation["cabin"]}
    try:
        booked = [
            {**flight, **_fare(kept[_leg(flight)])}
            if _leg(flight) in kept
            else _priced(connection, flight, cabin, seats)
            for flight in flights
        ]
        price = (_fares(booked) - _fares(reservation["flights"])) * seats
        _pay_update(connection, reservation, payment_id, price)
    except RefusedError as refusal:
        return f"Error: {refusal}"
    reservation["flights"] = booked  # the cabin stays as booked, which is how the recorded system behaved
    return _saved(connection, reservation)


def update_reservation_baggages(
    connection: sqlite3.Connection, *, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> str:
    """Change the number of bags and charge those that are new and not free; answers the reservation as JSON."""
    reservation = find(connection, "reservations", reservation_id)
    if reservation is None:
        return "Error: reservation not found"
    price = BAG_USD * max(0, nonfree_baggages - reservation["nonfree_baggages"])
    try:
        _pay_update(connection, reservation, payment_id, price)
    except RefusedError as refusal:
        return f"Error: {refusal}"
    reservation["total_baggages"] = total_baggages
    reservation["nonfree_baggages"] = nonfree_baggages
    return _saved(connection, reservation)


def update_reservation_passengers(
    connection: sqlite3.Connection, *, reservation_id: str, passengers: list[Passenger]
) -> str:
    """Change who flies, not how many; answers the reservation as JSON."""
    reservation = find(connection, "reservations", reservation_id)
    if reservation is None:
        return "Error: reservation not found"
    if len(passengers) != len(reservation["passengers"]):
        return "Error: number of passengers does not match"
    reservation["passengers"] = passengers
    return _saved(connection, reservation)


def send_certificate(connection: sqlite3.Connection, *, user_id: str, amount: float) -> str:
    """Give a user a certificate of that amount in dollars."""
    user = find(connection, "users", user_id)
    if user is None:
        return "Error: user not found"
    free_ids = [each for each in NEW_CERTIFICATE_IDS if each not in user["payment_methods"]]
    if not free_ids:
        return f"Error: user {user_id} has all {len(NEW_CERTIFICATE_IDS)} certificates that can be sent"
    user["payment_methods"][free_ids[0]] = {"source": "certificate", "amount": amount, "id": free_ids[0]}
    put(connection, "users", user_id, user)
    return f"Certificate {free_ids[0]} added to user {user_id} with amount {amount}."


def _priced(connection: sqlite3.Connection, flight: Flight, cabin: str, seats: int) -> Record:
    number, date = flight["flight_number"], flight["date"]
    offered = find(connection, "flights", number)
    if offered is None:
        raise RefusedError(f"flight {number} not found")
    if date not in offered["dates"]:
        raise RefusedError(f"flight {number} not found on date {date}")
    if not is_available(offered, date):
        raise RefusedError(f"flight {number} not available on date {date}")
    offer = offered["dates"][date]
    if offer["available_seats"][cabin] < seats:
        raise RefusedError(f"not enough seats on flight {number}")
    # Seats are not counted down: the recorded system leaves that to the airline's own books.
    return {**flight, **_fare({**offered, "price": offer["prices"][cabin]})}


def _pay(user: Record, payments: list[Payment], price: float) -> None:
    """Charge a new booking; what does not add up is refused before anything is charged."""
    methods: dict[str, Record] = user["payment_methods"]
    charges: dict[str, float] = {}  # a method may be named twice: its balance counts once
    for payment in payments:
        payment_id = payment["payment_id"]
        if payment_id not in methods:
            raise RefusedError(f"payment method {payment_id} not found")
        charges[payment_id] = charges.get(payment_id, 0) + payment["amount"]
        method = methods[payment_id]
        if method["source"] in ("gift_card", "certificate") and method["amount"] < charges[payment_id]:
            raise RefusedError(f"not enough balance in payment method {payment_id}")
    paid = sum(payment["amount"] for payment in payments)
    if paid != price:
        raise RefusedError(f"payment amount does not add up, total price is {price}, but paid {paid}")
    for payment_id, charge in charges.items():
        if methods[payment_id]["source"] == "gift_card":
            methods[payment_id]["amount"] -= charge
        elif methods[payment_id]["source"] == "certificate":  # used up, whatever of it was needed
            del methods[payment_id]


def _pay_update(connection: sqlite3.Connection, reservation: Record, payment_id: str, price: float) -> None:
    """Charge a change (or refund it, if negative) and note it in the reservation."""
    user_id: str = reservation["user_id"]
    user = find(connection, "users", user_id)
    method = None if user is None else user["payment_methods"].get(payment_id)
    if user is None or method is None:
        raise RefusedError("payment method not found")
    if method["source"] == "certificate":
        raise RefusedError("certificate cannot be used to update reservation")
    if method["source"] == "gift_card":
        if method["amount"] < price:
            raise RefusedError("gift card balance is not enough")
        method["amount"] -= price
        put(connection, "users", user_id, user)
    if price != 0:
        reservation["payment_history"].append({"payment_id": payment_id, "amount": price})


def _saved(connection: sqlite3.Connection, reservation: Record) -> str:
    put(connection, "reservations", reservation["reservation_id"], reservation)
    return json.dumps(reservation)


def _leg(flight: Flight | Record) -> tuple[str, str]:
    return flight["flight_number"], flight["date"]


def _fare(flight: Record) -> Record:
    return {"price": flight["price"], "origin": flight["origin"], "destination": flight["destination"]}


def _fares(flights: list[Record]) -> float:
    return sum(cast("float", flight["price"]) for flight in flights)
