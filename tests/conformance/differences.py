"""Scenarios in which the two sides differ on purpose, each with its reason.

A test fails for a difference that is not listed here, and for one that is listed and gone.
"""

from __future__ import annotations

DIFFERENCES: dict[str, str] = {}
