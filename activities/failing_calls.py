"""What user code around a tool call raises, as the error that ends the run: the same as of a tool without mercy."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from perdure.errors import AgentsException, UserError, describe_exception


@contextlib.contextmanager
def as_failed_call(tool_name: str) -> Generator[None]:
    """Turns what a tool's hooks or rules raise into a `UserError` that names the tool; the SDK's own errors stay."""
    try:
        yield
    except AgentsException:
        raise
    except Exception as error:
        raise UserError(f"Error running tool {tool_name}: {describe_exception(error)['message']}") from error
