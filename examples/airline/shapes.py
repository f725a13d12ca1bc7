"""The shapes of the tools' arguments, as the model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12


def _checked(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    validate(value)
    return value


T = TypeVar("T")
AsGiven = Annotated[T, WrapValidator(_checked)]
"""Validated, then left as the model wrote it: an amount of 55 does not become 55.0, and the order of keys stays."""

Cabin = Literal["basic_economy", "economy", "business"]


class Flight(TypedDict):  # noqa: D101 - a docstring would become a description that the model reads
    flight_number: Annotated[str, Field(description="Flight number, such as 'HAT001'.")]
    date: Annotated[str, Field(description="The date for the flight in the format 'YYYY-MM-DD', such as '2024-05-01'.")]


class Passenger(TypedDict):  # noqa: D101 - as above
    first_name: Annotated[str, Field(description="The first name of the passenger, such as 'Noah'.")]
    last_name: Annotated[str, Field(description="The last name of the passenger, such as 'Brown'.")]
    dob: Annotated[
        str,
        Field(description="The date of birth of the passenger in the format 'YYYY-MM-DD', such as '1990-01-01'."),
    ]


class Payment(TypedDict):  # noqa: D101 - as above
    payment_id: Annotated[
        str,
        Field(
            description="The payment id stored in user profile, such as 'credit_card_7815826', "
            "'gift_card_7815826', 'certificate_7815826'."
        ),
    ]
    amount: Annotated[float, Field(description="The amount to be paid.")]


Passengers = Annotated[
    list[AsGiven[Passenger]],
    Field(description="An array of objects containing details about each passenger."),
]


@dataclass(frozen=True, kw_only=True)
class Booking:
    """All that a reservation is booked with."""

    user_id: str
    origin: str
    destination: str
    flight_type: str
    cabin: str
    flights: Sequence[Flight]
    passengers: list[Passenger]
    payment_methods: list[Payment]
    total_baggages: int
    nonfree_baggages: int
    insurance: str
