"""One Temporal server for the whole session, on a home of its own; at the end every history on it is replayed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.client.host import Host
from perdure.server import server_status, stop_server
from tests.replaying import replay_everything

# A shell that starts the tests in the background has them ignore Ctrl-C; the programs that they start must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_TEMPORAL_SETTINGS = ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY", "PERDURE_BLOBS")
_REPLAY_SECONDS = 900.0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What is replayed after the last test takes as long as all tests have made of it."""
    if nextitem is None:
        item.config.hook.pytest_timeout_cancel_timer(item=item)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    for name in _TEMPORAL_SETTINGS:
        os.environ.pop(name, None)
    folder = tmp_path_factory.mktemp("perdure-home")
    os.environ["PERDURE_HOME"] = str(folder)
    os.environ["TEMPORAL_CONFIG_FILE"] = str(folder / "no-temporal.toml")
    os.environ["OPENAI_API_KEY"] = "none is needed"
    yield folder
    os.environ["PERDURE_HOME"] = str(folder)
    try:
        if (server := server_status()) is not None:
            asyncio.run(asyncio.wait_for(replay_everything(server.address), _REPLAY_SECONDS))
    finally:
        if Host._current is not None:
            Host._current.close()
        stop_server()
