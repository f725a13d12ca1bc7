"""The agent's fourteen tools, with the names and descriptions that GPT-4o saw.

A tool that changes something waits for an approval. It may be called again after a crash (`effect="repeatable"`),
because its key goes into the database together with its change: see `once`.
"""

# ruff: noqa: D417 - the model reads these docstrings: some parameters are not for it or not described

from __future__ import annotations

import os
import sqlite3
from contextlib import AbstractContextManager
from typing import Any, Literal

from perdure import ToolContext, function_tool

from . import arithmetic, lookups, reservations
from .shapes import AsGiven, Booking, Cabin, Flight, Passengers, Payment
from .store import connect, once


@function_tool(needs_approval=True, effect="repeatable")
def book_reservation(  # noqa: PLR0917 - these are the arguments that the recorded model gives
    ctx: ToolContext[Any],
    user_id: str,
    origin: str,
    destination: str,
    flight_type: Literal["one_way", "round_trip"],
    cabin: Cabin,
    flights: list[AsGiven[Flight]],
    passengers: Passengers,
    payment_methods: list[AsGiven[Payment]],
    total_baggages: int,
    nonfree_baggages: int,
    insurance: Literal["yes", "no"],
) -> str:
    """Book a reservation.

    Args:
        user_id: The ID of the user to book the reservation, such as 'sara_doe_496'.
        origin: The IATA code for the origin city, such as 'SFO'.
        destination: The IATA code for the destination city, such as 'JFK'.
        flights: An array of objects containing details about each piece of flight.
        payment_methods: An array of objects containing details about each payment method.
        total_baggages: The total number of baggage items included in the reservation.
        nonfree_baggages: The number of non-free baggage items included in the reservation.
    """
    booking = Booking(
        user_id=user_id,
        origin=origin,
        destination=destination,
        flight_type=flight_type,
        cabin=cabin,
        flights=flights,
        passengers=passengers,
        payment_methods=payment_methods,
        total_baggages=total_baggages,
        nonfree_baggages=nonfree_baggages,
        insurance=insurance,
    )
    with database() as db:
        return once(db, ctx.idempotency_key, lambda: reservations.book_reservation(db, booking))


@function_tool
def calculate(expression: str) -> str:
    """Calculate the result of a mathematical expression.

    Args:
        expression: The mathematical expression to calculate, such as '2 + 2'. The expression can contain numbers,
            operators (+, -, *, /), parentheses, and spaces.
    """
    return arithmetic.calculate(expression)


@function_tool(needs_approval=True, effect="repeatable")
def cancel_reservation(ctx: ToolContext[Any], reservation_id: str) -> str:
    """Cancel the whole reservation.

    Args:
        reservation_id: The reservation ID, such as 'ZFA04Y'.
    """
    with database() as db:
        return once(db, ctx.idempotency_key, lambda: reservations.cancel_reservation(db, reservation_id=reservation_id))


@function_tool
def get_reservation_details(reservation_id: str) -> str:
    """Get the details of a reservation.

    Args:
        reservation_id: The reservation id, such as '8JX2WO'.
    """
    with database() as db:
        return lookups.get_reservation_details(db, reservation_id)


@function_tool
def get_user_details(user_id: str) -> str:
    """Get the details of an user, including their reservations.

    Args:
        user_id: The user id, such as 'sara_doe_496'.
    """
    with database() as db:
        return lookups.get_user_details(db, user_id)


@function_tool
def list_all_airports() -> str:
    """List all airports and their cities."""
    return lookups.list_all_airports()


@function_tool
def search_direct_flight(origin: str, destination: str, date: str) -> str:
    """Search direct flights between two cities on a specific date.

    Args:
        origin: The origin city airport in three letters, such as 'JFK'.
        destination: The destination city airport in three letters, such as 'LAX'.
        date: The date of the flight in the format 'YYYY-MM-DD', such as '2024-01-01'.
    """
    with database() as db:
        return lookups.search_direct_flight(db, origin, destination, date)


# "Direct" is what the recorded model was told of this one too.
@function_tool
def search_onestop_flight(origin: str, destination: str, date: str) -> str:
    """Search direct flights between two cities on a specific date.

    Args:
        origin: The origin city airport in three letters, such as 'JFK'.
        destination: The destination city airport in three letters, such as 'LAX'.
        date: The date of the flight in the format 'YYYY-MM-DD', such as '2024-05-01'.
    """
    with database() as db:
        return lookups.search_onestop_flight(db, origin, destination, date)


@function_tool(needs_approval=True, effect="repeatable")
def send_certificate(ctx: ToolContext[Any], user_id: str, amount: AsGiven[float]) -> str:
    """Send a certificate to a user. Be careful!

    Args:
        user_id: The ID of the user to book the reservation, such as 'sara_doe_496'.
        amount: Certificate amount to send.
    """
    with database() as db:
        return once(db, ctx.idempotency_key, lambda: reservations.send_certificate(db, user_id=user_id, amount=amount))


@function_tool
def think(thought: str) -> str:
    """Use the tool to think about something.

    It will not obtain new information or change the database, but just append the thought to the log. Use it when
    complex reasoning is needed.

    Args:
        thought: A thought to think about.
    """
    return ""  # the call itself, kept in the transcript, is the log


@function_tool
def transfer_to_human_agents(summary: str) -> str:
    """Transfer the user to a human agent, with a summary of the user's issue.

    Only transfer if the user explicitly asks for a human agent, or if the user's issue cannot be resolved by the agent
    with the available tools.

    Args:
        summary: A summary of the user's issue.
    """
    return "Transfer successful"


@function_tool(needs_approval=True, effect="repeatable")
def update_reservation_baggages(
    ctx: ToolContext[Any], reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> str:
    """Update the baggage information of a reservation.

    Args:
        reservation_id: The reservation ID, such as 'ZFA04Y'.
        total_baggages: The updated total number of baggage items included in the reservation.
        nonfree_baggages: The updated number of non-free baggage items included in the reservation.
        payment_id: The payment id stored in user profile, such as 'credit_card_7815826', 'gift_card_7815826',
            'certificate_7815826'.
    """
    with database() as db:
        return once(
            db,
            ctx.idempotency_key,
            lambda: reservations.update_reservation_baggages(
                db,
                reservation_id=reservation_id,
                total_baggages=total_baggages,
                nonfree_baggages=nonfree_baggages,
                payment_id=payment_id,
            ),
        )


# Not strict: a strict schema allows no other fields, and GPT-4o once gave each flight its origin and destination too.
@function_tool(needs_approval=True, effect="repeatable", strict_mode=False)
def update_reservation_flights(
    ctx: ToolContext[Any], reservation_id: str, cabin: Cabin, flights: list[AsGiven[Flight]], payment_id: str
) -> str:
    """Update the flight information of a reservation.

    Args:
        reservation_id: The reservation ID, such as 'ZFA04Y'.
        flights: An array of objects containing details about each piece of flight in the ENTIRE new reservation. Even
            if the a flight segment is not changed, it should still be included in the array.
        payment_id: The payment id stored in user profile, such as 'credit_card_7815826', 'gift_card_7815826',
            'certificate_7815826'.
    """
    with database() as db:
        return once(
            db,
            ctx.idempotency_key,
            lambda: reservations.update_reservation_flights(
                db, reservation_id=reservation_id, cabin=cabin, flights=flights, payment_id=payment_id
            ),
        )


@function_tool(needs_approval=True, effect="repeatable")
def update_reservation_passengers(ctx: ToolContext[Any], reservation_id: str, passengers: Passengers) -> str:
    """Update the passenger information of a reservation.

    Args:
        reservation_id: The reservation ID, such as 'ZFA04Y'.
    """
    with database() as db:
        return once(
            db,
            ctx.idempotency_key,
            lambda: reservations.update_reservation_passengers(
                db, reservation_id=reservation_id, passengers=passengers
            ),
        )


def database() -> AbstractContextManager[sqlite3.Connection]:
    """The database that the environment variable AIRLINE_DB names, open for one call."""
    path = os.environ.get("AIRLINE_DB")
    if not path:
        raise RuntimeError("AIRLINE_DB is not set. Set it to the path of a database that `build` has made.")
    return connect(path)
