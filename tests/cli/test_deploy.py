"""`perdure deploy check`: before a deployment, what becomes of runs under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import SHOP, Shop

QUEUE = "deploying"
CHANGED = SHOP.replace('"""Refund an order."""', '"""Refund an order, whole."""')


@pytest.fixture(scope="module")
def deployed(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A run that waits for the approval of a refund; and two modules that may be deployed next."""
    shop.worker(QUEUE, tmp_path_factory.mktemp("deploy") / "worker.log")
    assert shop.perdure("run", "Support", "Order 7", "--queue", QUEUE, "--run-id", "waits").code == 4
    (shop.folder / "harmless_shop.py").write_text(
        SHOP.replace('name="Support",', 'name="Support", instructions="Smile.",')
    )
    (shop.folder / "changed_shop.py").write_text(CHANGED)
    return shop


def test_the_deployed_code_itself_affects_no_run(deployed: Shop) -> None:
    checked = deployed.perdure("deploy", "check", "shop", "--queue", QUEUE)
    assert (checked.code, checked.out) == (0, f"Runs under way on task queue {QUEUE}: 1 unaffected.\n")


def test_a_changed_tool_that_a_run_has_called_is_exit_1_with_the_reason(deployed: Shop) -> None:
    checked = deployed.perdure("deploy", "check", "changed_shop", "--queue", QUEUE)
    assert checked.code == 1
    first, why, *_ = checked.out.splitlines()
    assert first == "waits (Support): waits"
    assert why.startswith("  Call 1.0 of refund waits: Tool 'refund' of this worker has definition ")
    assert checked.out.splitlines()[-1] == f"Runs under way on task queue {QUEUE}: 1 waits."


def test_changed_instructions_are_exit_0_and_named_in_the_document(deployed: Shop) -> None:
    checked = deployed.perdure("deploy", "check", "harmless_shop", "--queue", QUEUE, "--json")
    assert checked.code == 0
    (run,) = checked.json["runs"]
    assert (run["run_id"], run["agent"], run["verdict"]) == ("waits", "Support", "keeps its agents")
    assert run["reasons"] == ["Agent 'Support' was changed: instructions."]
    assert checked.json["counts"]["keeps its agents"] == 1


def test_half_a_version_is_refused(shop: Shop) -> None:
    failed = shop.perdure("worker", "shop", "--build-id", "7")
    assert failed.code == 2
    assert "--build-id is given, --deployment is not" in failed.err


@pytest.mark.thorough
def test_a_versioned_worker_says_that_its_build_is_not_current_yet(shop: Shop, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    version = {"TEMPORAL_DEPLOYMENT_NAME": "shop", "TEMPORAL_WORKER_BUILD_ID": "7"}
    shop.worker("versioned", log, **version)
    said = log.read_text()
    assert "Build '7' of deployment 'shop' is not current: it gets no new runs." in said
    assert "set-current-version --deployment-name shop --build-id 7" in said
