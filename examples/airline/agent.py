"""The airline's agent: `perdure worker examples.airline.agent` serves it by name."""

from __future__ import annotations

from perdure import Agent

from . import tools
from .store import DATA_DIR

airline = Agent[None](
    name="Airline",
    instructions=(DATA_DIR / "policy.md").read_text(encoding="utf-8"),
    model="gpt-4o",
    tools=[
        tools.book_reservation,
        tools.calculate,
        tools.cancel_reservation,
        tools.get_reservation_details,
        tools.get_user_details,
        tools.list_all_airports,
        tools.search_direct_flight,
        tools.search_onestop_flight,
        tools.send_certificate,
        tools.think,
        tools.transfer_to_human_agents,
        tools.update_reservation_baggages,
        tools.update_reservation_flights,
        tools.update_reservation_passengers,
    ],
)
