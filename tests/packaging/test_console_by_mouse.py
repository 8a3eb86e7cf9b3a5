"""The console of `wa-streams up --sandbox`, installed from the wheel, as a person uses it: a browser and nothing else.

Only the recipients' phones are played by the sandbox's control: whether a number exists, and that a person reads.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from streams.whatsapp.install import executable
from tests.packaging import distribution

pytestmark = [pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(600)]

READER, MISSING = "+60123456780", "+60123456781"
SENDER = "+905550000001"
WAIT_MS = 120_000
STOP_TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Stack:
    """A running `up`, by the line that it printed."""

    web: str
    sandbox: str

    def play(self, call: str, **document: Any) -> None:
        """What the recipients' phones do."""
        request = Request(self.sandbox + call, orjson.dumps(document), method="POST")
        request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=60) as response:
            assert response.status < 300


@contextmanager
def run_stack(program: Path, folder: Path) -> Iterator[Stack]:
    """`up --sandbox` in a folder without the sources, with a broker, workers and a browser of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    kept = {name: os.environ[name] for name in ("WA_BROWSER_EXECUTABLE",) if name in os.environ}
    ports = {f"WA_{name}_PORT": "0" for name in ("KAFKA", "WEB", "SANDBOX")}
    own = {"WA_DATA_DIR": str(folder / "data"), "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [program, "up", "--sandbox", "--json"],
        env=inherited | kept | ports | own,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        status = orjson.loads(process.stdout.readline())
        yield Stack(status["web"], status["sandbox"])
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def send(page: Page, to: str, text: str) -> None:
    """Fill in the form; its page leads to that of the message."""
    page.get_by_role("link", name="Send", exact=True).click()
    page.locator("#to").fill(to)
    page.locator("#text").fill(text)
    page.get_by_role("main").get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").filter(has_text="Kafka has the request")).to_be_visible()


def expect_state(page: Page, name: str) -> None:
    """The page comes to show this state, without being loaded again by hand."""
    expect(page.locator(f"#live .facts .state.{name}")).to_be_visible()


def test_everything_is_done_by_mouse(wheel: Path, tmp_path: Path) -> None:
    """A message up to `read`, a dead letter that is replayed, an account that is logged out and linked again."""
    environment = distribution.create_environment(tmp_path / "venv", wheel, sys.executable)
    distribution.add_test_dependencies(environment)
    chromium = executable.find_chromium(None).path
    with run_stack(environment.program, tmp_path) as stack, sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        browser = playwright.chromium.launch(executable_path=str(chromium))
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(stack.web)
        expect(page.get_by_text("1 of 1 can send")).to_be_visible()
        follow_a_message(page, stack)
        replay_a_dead_letter(page, stack)
        link_the_account_again(page)
        browser.close()


def follow_a_message(page: Page, stack: Stack) -> None:
    send(page, READER, "Are you there?")
    expect_state(page, "delivered")
    expect(page.get_by_text("Are you there?")).to_be_visible()
    stack.play("/read", by=READER, to=SENDER)
    expect_state(page, "read")


def replay_a_dead_letter(page: Page, stack: Stack) -> None:
    stack.play("/numbers", **{MISSING: {"on_whatsapp": False}})
    send(page, MISSING, "Nobody is there")
    expect_state(page, "failed")
    stack.play("/numbers", **{MISSING: {"on_whatsapp": True}})
    page.get_by_role("link", name="Dead letters", exact=True).click()
    page.get_by_role("checkbox", name="Select wa.outbound").check()
    page.get_by_role("button", name="Replay the selected").click()
    page.get_by_role("button", name="Replay 1").click()
    expect(page.get_by_text("1 of 1 are published.")).to_be_visible()
    page.get_by_role("link", name="console-").first.click()
    page.get_by_role("link", name="console-").first.click()
    expect_state(page, "delivered")


def link_the_account_again(page: Page) -> None:
    page.get_by_role("link", name="Accounts", exact=True).click()
    page.get_by_role("link", name="main").click()
    expect_state(page, "ready")
    page.get_by_text("Log out…").click()
    page.get_by_role("button", name="Log main out").click()
    expect_state(page, "logged_out")
    page.get_by_role("button", name="Show a code").click()
    expect_state(page, "ready")  # the sandbox's phone scans the code
