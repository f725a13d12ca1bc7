"""What functions of the user are called for, in steps of their own."""

from __future__ import annotations

from typing import Literal

Role = Literal[
    "needs_approval",
    "tool_error_formatter",
    "failure_error_function",
    "input_builder",
    "custom_output_extractor",
    "tool_use_behavior",
    "on_handoff",
    "handoff_input_filter",
    "error_handler",
]
