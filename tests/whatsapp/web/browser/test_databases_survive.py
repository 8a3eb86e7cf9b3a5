"""What a page has stored in IndexedDB survives kills that follow each other closely. Real Chromium.

A kill rarely hits the moment in which a record is written, so the test writes the first part of a record itself.
"""

import signal
import struct
from pathlib import Path

import pytest
from playwright.async_api import Route

from streams.whatsapp.web.browser.launch import BrowserConfig, Chromium
from streams.whatsapp.web.browser.profile import Profile, find_browsers

pytestmark = pytest.mark.browser

# The header of the first fragment of a large record, and less data than it announces.
UNFINISHED = struct.pack("<IHB", 1234, 20_000, 2) + b"y" * 5_000
_STORE = """(count) => new Promise((resolve, reject) => {
  const opening = indexedDB.open("model-storage", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("message", { autoIncrement: true });
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const transaction = opening.result.transaction("message", "readwrite");
    const store = transaction.objectStore("message");
    for (let n = 0; n < count; n += 1) store.add("x".repeat(1000));
    const counting = store.count();
    transaction.oncomplete = () => resolve(counting.result);
    transaction.onerror = () => reject(transaction.error);
  };
})"""


async def store_and_kill(folder: Path, count: int) -> int:
    """Start a browser, store messages, and kill it. Returns how many messages were in the database then."""
    profile = Profile(folder)
    await profile.acquire()
    browser = await Chromium.launch(BrowserConfig(profile_dir=folder), profile)
    try:
        page = await browser.first_page()
        await page.route("**/*", answer)
        await page.goto("https://web.whatsapp.com/")
        stored: int = await page.evaluate(_STORE, count)
        kill_browsers(folder)
        return stored
    finally:
        await browser.close()
        profile.release()


async def answer(route: Route) -> None:
    await route.fulfill(body="<html></html>", content_type="text/html")


def kill_browsers(folder: Path) -> None:
    for browser in list(find_browsers(folder)):
        for process in (browser, *browser.children(recursive=True)):
            process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        pytest.param("*.log", 100, id="log"),
        pytest.param(
            "MANIFEST-*", 10_000, id="manifest, to which a full log leads to a new record"
        ),
    ],
)
async def test_an_unfinished_record_does_not_cost_the_database(
    tmp_path: Path, pattern: str, count: int
) -> None:
    """Killed within a record, started, killed again: at the third start all that was stored is there."""
    folder = tmp_path / "main"
    assert await store_and_kill(folder, 100) == 100
    (file,) = folder.glob(f"Default/IndexedDB/*.leveldb/{pattern}")
    with file.open("ab") as opened:
        opened.write(UNFINISHED)
    assert await store_and_kill(folder, count) == 100 + count
    assert await store_and_kill(folder, 0) == 100 + count
