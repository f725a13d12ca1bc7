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
_NOT_REPLAYED = "perdure/not_replayed"  # in pytest's cache


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What is replayed after the last test takes as long as all tests have made of it."""
    if nextitem is None:
        item.config.hook.pytest_timeout_cancel_timer(item=item)


def pytest_sessionstart(session: pytest.Session) -> None:
    """What failed may be tried again, but not a history that did not replay: that is never the machine's fault."""
    config = session.config
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        return
    again, not_replayed = config.getoption("lf"), config.cache.get(_NOT_REPLAYED, default=False)
    if again and not_replayed:
        pytest.exit("Histories of the last session did not replay. Mend that, and run all tests again.", returncode=1)
    config.cache.set(_NOT_REPLAYED, False)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Path]:
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
    except BaseException:
        pytestconfig.cache.set(_NOT_REPLAYED, True)
        raise
    finally:
        if Host._current is not None:
            Host._current.close()
        stop_server()
