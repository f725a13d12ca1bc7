"""Log lines that say which run and which trace they are about; as JSON, one object a line, where that is asked for."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from temporalio import activity, workflow

from perdure.errors import UserError
from perdure.redaction import redacted

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NO_TRACE = 0


def configure(level: int) -> None:
    """Sets up this process's logging, on standard error, in the format that `PERDURE_LOG_FORMAT` says.

    Args:
        level: The least that is logged.

    Raises:
        UserError: There is no such format.
    """
    form = os.environ.get("PERDURE_LOG_FORMAT", "").strip().lower() or "text"
    if form not in ("text", "json"):
        raise UserError(f"PERDURE_LOG_FORMAT is {form!r}; set it to text or json, or leave it out for text.")
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines(_TEXT))
    logging.basicConfig(level=level, handlers=[handler])


class TextLines(logging.Formatter):
    """Lines for people; those about a run end with its id and trace."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        about = whereabouts()
        lines = super().format(record)
        where = f" [{' '.join(f'{name}={value}' for name, value in about.items())}]" if about else ""
        return redacted(f"{lines}{where}")


class JsonLines(logging.Formatter):
    """Lines for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **whereabouts(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redacted(json.dumps(line, ensure_ascii=False, default=str))


def whereabouts() -> dict[str, str]:
    """The run, step and trace that the code under way belongs to, as far as it does to any."""
    about: dict[str, str] = {}
    if activity.in_activity():
        info = activity.info()
        about = {"run_id": info.workflow_id or "", "step": info.activity_id, "attempt": str(info.attempt)}
    elif workflow.in_workflow():
        about = {"run_id": workflow.info().workflow_id}
    return about | _span()


def _span() -> dict[str, str]:
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry import trace

    above = trace.get_current_span().get_span_context()
    if above.trace_id == _NO_TRACE:
        return {}
    return {"trace_id": f"{above.trace_id:032x}", "span_id": f"{above.span_id:016x}"}
