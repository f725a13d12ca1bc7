from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Shop, eventually


def test_a_step_under_way_is_finished_and_recorded_before_the_worker_ends(shop: Shop, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    worker = shop.worker("packing", log)
    assert shop.perdure("run", "Packer", "Pack", "--queue", "packing", "--run-id", "packs", "--no-wait").code == 0
    eventually((shop.folder / "packing").exists, "the tool runs")
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    assert "stopped" in log.read_text()

    # Nobody serves the queue any more: the command answers itself, without the code of any agent.
    shown = shop.perdure("show", "packs", "--json").json
    outputs = [entry["item"]["output"] for entry in shown["transcript"] if entry["kind"] == "output"]
    outputs += [call["output"]["output"] for call in shown["status"]["calls"] if call.get("output")]
    assert outputs == ["packed 7"]


def test_a_closed_run_is_shown_without_a_worker(shop: Shop, tmp_path: Path) -> None:
    worker = shop.worker("closing", tmp_path / "worker.log")
    assert shop.perdure("run", "Broken", "Hi", "--queue", "closing", "--run-id", "closed").code == 1
    worker.kill()
    worker.wait()
    shown = shop.perdure("show", "closed", "--json").json
    assert (shown["execution"], shown["status"]["phase"]) == ("failed", "failed")
    assert "the model is [red]ill[/red]" in shown["status"]["why"]


def test_a_module_that_is_missing_is_exit_2(shop: Shop) -> None:
    failed = shop.perdure("worker", "shopp")
    assert failed.code == 2
    assert failed.err.startswith("error: There is no module 'shopp'")


def test_a_server_that_is_not_there_is_exit_5(shop: Shop) -> None:
    assert shop.perdure("worker", "shop", TEMPORAL_ADDRESS="127.0.0.1:1").code == 5
