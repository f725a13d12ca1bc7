"""What the agent may look up: users, reservations, flights, airports. Nothing here changes the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from .store import Record, every, find

AIRPORTS = {
    "SFO": "San Francisco",
    "JFK": "New York",
    "LAX": "Los Angeles",
    "ORD": "Chicago",
    "DFW": "Dallas",
    "DEN": "Denver",
    "SEA": "Seattle",
    "ATL": "Atlanta",
    "MIA": "Miami",
    "BOS": "Boston",
    "PHX": "Phoenix",
    "IAH": "Houston",
    "LAS": "Las Vegas",
    "MCO": "Orlando",
    "EWR": "Newark",
    "CLT": "Charlotte",
    "MSP": "Minneapolis",
    "DTW": "Detroit",
    "PHL": "Philadelphia",
    "LGA": "LaGuardia",
}


def get_user_details(connection: sqlite3.Connection, user_id: str) -> str:
    """The user's record as JSON, or an error sentence."""
    user = find(connection, "users", user_id)
    return "Error: user not found" if user is None else json.dumps(user)


def get_reservation_details(connection: sqlite3.Connection, reservation_id: str) -> str:
    """The reservation's record as JSON, or an error sentence."""
    reservation = find(connection, "reservations", reservation_id)
    return "Error: reservation not found" if reservation is None else json.dumps(reservation)


def search_direct_flight(connection: sqlite3.Connection, origin: str, destination: str, date: str) -> str:
    """The flights from one airport to another that can still be booked on a date, as a JSON list."""
    flights = every(connection, "flights").values()
    return json.dumps(
        [
            _schedule(flight) | flight["dates"][date]
            for flight in flights
            if flight["origin"] == origin and flight["destination"] == destination and is_available(flight, date)
        ]
    )


def search_onestop_flight(connection: sqlite3.Connection, origin: str, destination: str, date: str) -> str:
    """The pairs of flights with one stop that can still be booked, as a JSON list of lists."""
    flights = list(every(connection, "flights").values())
    firsts = [flight for flight in flights if flight["origin"] == origin and is_available(flight, date)]
    seconds = [flight for flight in flights if flight["destination"] == destination]
    return json.dumps([pair for first in firsts for pair in _connections(first, seconds, date)])


def is_available(flight: Record, date: str) -> bool:
    """Whether seats of the flight are sold on that date; a date without the flight has none."""
    return date in flight["dates"] and flight["dates"][date]["status"] == "available"


def list_all_airports() -> str:
    """The airports' codes and cities as JSON."""
    return json.dumps(AIRPORTS)


def _connections(first: Record, seconds: list[Record], date: str) -> Iterator[list[Record]]:
    arrival: str = first["scheduled_arrival_time_est"]
    second_date = _next_day(date) if "+1" in arrival else date
    for second in seconds:
        # Times are compared as strings, the next day's mark included, as the recorded system did.
        if first["destination"] != second["origin"] or arrival > second["scheduled_departure_time_est"]:
            continue
        if is_available(second, second_date):
            # The second leg shows the seats and prices of the first leg's date, also as recorded.
            shown = second["dates"].get(date, {})
            yield [
                _schedule(first) | first["dates"][date] | {"date": date},
                _schedule(second) | shown | {"date": second_date},
            ]


def _next_day(date: str) -> str:
    # All flights of the data are in May 2024, and the recorded system did not pad the day.
    return f"2024-05-{int(date[-2:]) + 1}"


def _schedule(flight: Record) -> Record:
    return {name: value for name, value in flight.items() if name != "dates"}
