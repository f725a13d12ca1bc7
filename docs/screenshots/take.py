"""Takes the pictures of docs/operating.md: `make screenshots`.

It starts a Temporal server and a worker of its own, has three customers ask for a refund, and then does in a headless
Chromium what the page says: finds the run that waits, reads it, approves it there, and looks who decided what.

    python docs/screenshots/take.py PERDURE DIRECTORY

PERDURE is the command of that name, DIRECTORY where the pictures go.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WAITING = 'PerdureStatus="waiting for approval" AND ExecutionStatus="Running"'
DECIDED = 'PerdureApprovers IN ("ana")'
WAIT_MS = 180_000
SETTLED_MS = 1_500  # the UI fades in and draws
WIDTH, TALL = 1280, 1300


class Perdure:
    """The command, on a data folder of its own."""

    def __init__(self, command: str, home: Path) -> None:
        self.command = str(Path(command).resolve())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "PERDURE_"))}
        self.environment = kept | {"PERDURE_HOME": str(home), "TEMPORAL_CONFIG_FILE": str(home / "none.toml")}

    def __call__(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
        done = subprocess.run(
            [self.command, *arguments, "--json"],
            cwd=HERE, env=self.environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode not in codes:
            sys.exit(f"perdure {' '.join(arguments)} ended with code {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    @contextmanager
    def serving(self, module: str) -> Iterator[None]:
        worker = subprocess.Popen(
            [self.command, "worker", module, "--json"], cwd=HERE, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            if worker.stdout is None or not worker.stdout.readline():  # its document comes once it takes steps
                sys.exit(f"the worker of {module} does not start: perdure worker {module}")
            yield
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait()


class Pictures:
    """The Temporal UI in a browser, and what is seen there."""

    def __init__(self, page: Page, address: str, folder: Path) -> None:
        self.page, self.address, self.folder = page, address, folder
        page.set_default_timeout(WAIT_MS)

    def take(self, name: str, height: int) -> None:
        self.page.set_viewport_size({"width": WIDTH, "height": height})
        self.page.wait_for_timeout(SETTLED_MS)
        self.page.screenshot(path=self.folder / f"{name}.png")

    def filtered(self, condition: str, *shown: str) -> None:
        self.page.set_viewport_size({"width": WIDTH, "height": TALL})  # the UI draws what is in view
        self.page.goto(f"{self.address}/namespaces/default/workflows?query={quote(condition)}")
        for run_id in shown:
            self.page.get_by_role("link", name=run_id).first.wait_for()

    def columns(self) -> None:
        """Shows the columns that tell something, as a person would do it once."""
        self.page.get_by_test_id("workflows-summary-table-configuration-button").click()
        for column in ("Run ID", "Type", "End"):
            self.page.get_by_test_id(f"orderable-list-item-{column}-remove-button").click()
        for column in ("PerdureAgent", "PerdureStatus", "PerdureApprovers"):
            self.page.get_by_test_id(f"orderable-list-item-{column}-add-button").click()
        self.page.get_by_test_id("drawer-close-button").click()

    def open(self, run_id: str, tab: str = "timeline") -> None:
        self.page.set_viewport_size({"width": WIDTH, "height": TALL})
        self.page.goto(f"{self.address}/namespaces/default/workflows/{quote(run_id, safe='')}")
        self.page.wait_for_url("**/timeline")
        if tab != "timeline":
            self.page.goto(self.page.url.removesuffix("timeline") + tab)

    def details(self, text: str) -> str:
        """The current details once they say something; the UI renders them in a frame of their own."""
        for _ in range(WAIT_MS // 500):
            try:
                shown = [
                    frame.evaluate("document.body ? document.body.innerText : ''") for frame in self.page.frames[1:]
                ]
            except BrowserError:  # the UI has just put another frame in its place
                shown = []
            if found := next((each for each in shown if text in each), None):
                return found
            self.page.wait_for_timeout(500)
        sys.exit(f"the Temporal UI shows no details with {text!r}")

    def signal(self, name: str, message: dict[str, Any]) -> None:
        self.page.get_by_role("button", name="More Actions").click()
        self.page.get_by_role("menuitem", name="Send a Signal").last.click()
        dialog = self.page.get_by_role("dialog", name="Send a Signal")
        dialog.get_by_test_id("signal-select-button").click()
        self.page.get_by_role("option", name=re.compile(f"^{name}\\b")).last.click()
        dialog.locator("[contenteditable=true]").first.fill(json.dumps(message, indent=2))

    def submit(self) -> None:
        dialog = self.page.get_by_role("dialog", name="Send a Signal")
        dialog.get_by_test_id("confirm-modal-button").click()


def message_in(details: str) -> dict[str, Any]:
    """The JSON to send, as the page shows it."""
    shown = re.search(r'\{\s*"call_id":.*?\}', details, re.DOTALL)
    if shown is None:
        sys.exit(f"the details have no message to send: {details}")
    return json.loads(shown[0].replace("\xa0", " "))


def have_runs(perdure: Perdure) -> None:
    """Three customers ask; one is answered already."""
    asked = {
        "1041": "My order 1041 arrived broken. I want my money back!",
        "1042": "The lid of the teapot in order 1042 is missing.",
        "1043": "The helmet in order 1043 does not fit, please refund it.",
    }
    for order, text in asked.items():
        perdure("run", f"Desk {order}", text, "--run-id", f"order-{order}", codes=(4,))
    perdure("reject", "order-1043", "3.0", "--by", "ben", "--reason", "She can change it for another size first.")
    perdure("run", "Desk 1043", asked["1043"], "--run-id", "order-1043")


def play(perdure: Perdure, pictures: Pictures) -> None:
    """Does what docs/operating.md says, and takes a picture of each step."""
    run_id = "order-1041"
    pictures.filtered(WAITING, run_id)
    pictures.columns()
    pictures.filtered(WAITING, run_id)
    pictures.take("inbox", 520)
    pictures.open(run_id)
    pictures.page.get_by_text("approval 3.0: refund(").first.wait_for()
    pictures.take("timeline", 900)
    pictures.open(run_id, "user-metadata")
    message = message_in(pictures.details("Waits for a decision"))
    pictures.take("waiting", 1260)
    pictures.signal("approve", message | {"by": "ana"})
    pictures.take("signal", 800)
    pictures.submit()
    perdure("run", "Desk 1041", "My order 1041 arrived broken. I want my money back!", "--run-id", run_id)
    pictures.open(run_id, "user-metadata")
    pictures.details("approved by ana")
    pictures.take("decided", 1180)
    pictures.filtered(DECIDED, run_id)
    pictures.take("decided-by", 520)


def main(command: str, folder: Path) -> None:
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("No Chromium was found: install one (`apt-get install chromium`), or set CHROMIUM to its path.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="perdure-pictures-", ignore_cleanup_errors=True) as home:
        perdure = Perdure(command, Path(home))
        address = perdure("server", "start")["ui_url"]
        try:
            with perdure.serving("desk"), sync_playwright() as playwright:
                have_runs(perdure)
                chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                play(perdure, Pictures(chromium.new_page(locale="en-US", timezone_id="UTC"), address, folder))
                chromium.close()
        finally:
            perdure("server", "stop")
    for picture in sorted(folder.glob("*.png")):
        print(f"{picture.name}: {picture.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
