"""What a page has stored in IndexedDB survives kills that follow each other closely. Real Chromium.

A kill rarely hits the moment in which a record is written. So the first test writes the first part of a record itself;
the second, which `make chaos` runs, kills often enough. CHAOS_KILLS (60) sets how often.
"""

import asyncio
import os
import random
import signal
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, Route

from streams.whatsapp.web.browser.launch import BrowserConfig, Chromium
from streams.whatsapp.web.browser.profile import Profile, find_browsers

pytestmark = pytest.mark.browser

KILLS = int(os.environ.get("CHAOS_KILLS", "60"))
# The header of the first fragment of a large record, and less data than it announces.
UNFINISHED = struct.pack("<IHB", 1234, 20_000, 2) + b"y" * 5_000
_OPEN = """() => new Promise((resolve, reject) => {
  const opening = indexedDB.open("model-storage", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("message", { autoIncrement: true });
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    window.database = opening.result;
    const counting = database.transaction("message").objectStore("message").count();
    counting.onsuccess = () => resolve(counting.result);
  };
})"""
_STORE = """(count) => new Promise((resolve, reject) => {
  const transaction = database.transaction("message", "readwrite");
  for (let n = 0; n < count; n += 1) transaction.objectStore("message").add("x".repeat(1000));
  transaction.oncomplete = () => resolve();
  transaction.onerror = () => reject(transaction.error);
})"""
_STORE_ALWAYS = f"""() => {{
  const store = {_STORE};
  window.stored = 0;
  const next = () => store(300).then(() => {{ window.stored += 300; next(); }});
  next();
  next();
}}"""


@asynccontextmanager
async def open_page(folder: Path) -> AsyncIterator[tuple[Page, int]]:
    """A page with an open database, and how many messages this has. At the end, its browser is killed."""
    profile = Profile(folder)
    await profile.acquire()
    browser = await Chromium.launch(BrowserConfig(profile_dir=folder), profile)
    try:
        page = await browser.first_page()
        await page.route("**/*", answer)
        await page.goto("https://web.whatsapp.com/")
        yield page, await page.evaluate(_OPEN)
        kill_browsers(folder)
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
    async with open_page(folder) as (page, _):
        await page.evaluate(_STORE, 100)
    (file,) = folder.glob(f"Default/IndexedDB/*.leveldb/{pattern}")
    with file.open("ab") as opened:
        opened.write(UNFINISHED)
    async with open_page(folder) as (page, found):
        assert found == 100
        await page.evaluate(_STORE, count)
    async with open_page(folder) as (_, found):
        assert found == 100 + count


@pytest.mark.chaos
@pytest.mark.timeout(1200)
async def test_a_page_that_is_killed_while_it_writes_keeps_what_it_has_stored(
    tmp_path: Path,
) -> None:
    """Whatever the page knew to be stored is there at the next start, after each of many kills."""
    dice, stored = random.Random(2), 0
    for number in range(KILLS):
        folder = tmp_path / str(number // 20)  # a database that is too large makes the test slow
        stored = stored if number % 20 else 0
        async with open_page(folder) as (page, found):
            assert found >= stored, f"after {number} kills"
            await page.evaluate(_STORE_ALWAYS)
            await asyncio.sleep(dice.uniform(0.05, 0.6))
            stored = found + await page.evaluate("window.stored")
            await asyncio.sleep(dice.uniform(0.0, 0.02))
