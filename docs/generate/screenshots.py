"""Takes a picture of each page of the console, light, dark and phone-sized: `make screenshots`.

It starts the whole service with the simulated WhatsApp and produces what a shop would: nothing on a picture is a real
number or text. All pictures go to `dist/screenshots`, and a few small ones to `docs/images`, for the documents.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

from streams.client import SyncWhatsApp
from streams.contract.timestamps import format_rfc3339
from streams.testing.sandbox_stack import SandboxStack
from streams.whatsapp.install import executable

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "dist" / "screenshots"
IMAGES: Final = ROOT / "docs" / "images"
MAX_IMAGE_BYTES: Final = 60_000
PHONE: Final = "+60123456701"
UNKNOWN_PHONE: Final = "+60123456799"
BATCH: Final = "spring-2026"
_TIMEOUT_S: Final = 120.0
_READ_S: Final = 3.0  # the console shows what happened within two seconds

PAGES: Final = {
    "overview": "/",
    "accounts": "/accounts",
    "account": "/account?name=main",
    "queue": "/queue",
    "search": "/search?q=order-1",
    "message": f"/message?to=%2B{PHONE[1:]}&id=order-1",
    "conversation": f"/conversation?to=%2B{PHONE[1:]}",
    "batches": "/batches",
    "batch": f"/batch?id={BATCH}",
    "dead-letters": "/dead-letters",
    "report": "/report",
    "templates": "/templates",
    "consents": "/consents",
    "send": "/send",
}
FORMS: Final = {"light": (1120, "light"), "dark": (1120, "dark"), "phone": (390, "light")}
# What the documents show: few, and small.
IN_DOCUMENTS: Final = ("overview-light", "message-light", "accounts-dark", "dead-letters-phone")


def main() -> int:
    """Take the pictures. Returns the exit code."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="wa-screenshots-") as folder:
        settings = {"WA_ACCOUNTS": "main,sales", "WA_QUIET_HOURS": "21:00-08:00"}
        with SandboxStack(Path(folder), settings) as stack:
            produce(stack)
            time.sleep(_READ_S)
            asyncio.run(take_pictures(stack.web))
    large = list(copy_into_documents())
    for name in large:
        print(f"{name} has more than {MAX_IMAGE_BYTES} bytes, and stays out of docs/images")
    print(f"{len(list(FOLDER.iterdir()))} pictures in {FOLDER.relative_to(ROOT)}")
    return 1 if large else 0


def produce(stack: SandboxStack) -> None:
    """What a shop sends in a day: orders, a campaign, a visit in the future, a number that is not on WhatsApp."""
    stack.sandbox.set_numbers({UNKNOWN_PHONE: {"on_whatsapp": False}})
    account = stack.sandbox.fetch_overview().accounts[0].phone
    with stack.connect() as whatsapp:
        _send_orders(whatsapp)
        tomorrow = format_rfc3339(time.time() + 86_400)
        whatsapp.send(PHONE, "See you tomorrow at nine", id="visit-1", send_at=tomorrow)
        members = [{"to": f"+6012345672{n}", "text": f"Tulips are back, {n}"} for n in range(8)]
        whatsapp.send_batch(members, batch_id=BATCH)
        whatsapp.send_immediate(UNKNOWN_PHONE, "Your invoice", id="invoice-7", timeout_s=_TIMEOUT_S)
    stack.sandbox.write_to_account(PHONE, account, "Thank you! When will it arrive?")
    stack.wait_for_messages("+60123456727", timeout_s=_TIMEOUT_S)


def _send_orders(whatsapp: SyncWhatsApp) -> None:
    for number in range(1, 8):
        text = f"Order {number} is on its way"
        to = f"+6012345670{number}"
        whatsapp.send_immediate(to, text, id=f"order-{number}", timeout_s=_TIMEOUT_S)


async def take_pictures(url: str) -> None:
    """Each page in each form."""
    program = executable.find_chromium(None)
    if program is None:
        raise RuntimeError("there is no Chromium; run wa-streams setup")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(program.path))
        try:
            for form in FORMS:
                await _take_form(browser, url, form)
        finally:
            await browser.close()


async def _take_form(browser: Browser, url: str, form: str) -> None:
    width, scheme = FORMS[form]
    dark = "dark" if scheme == "dark" else "light"
    context = await browser.new_context(viewport={"width": width, "height": 600}, color_scheme=dark)
    for name, path in PAGES.items():
        page = await context.new_page()
        response = await page.goto(url + path)
        if response is None or response.status != 200:
            raise RuntimeError(f"{path} was not shown: {response and response.status}")
        await page.screenshot(path=FOLDER / f"{name}-{form}.png")
        await page.close()
    await context.close()


def copy_into_documents() -> Iterator[str]:
    """Copy the chosen pictures; yields the names of those that are too large."""
    IMAGES.mkdir(exist_ok=True)
    for name in IN_DOCUMENTS:
        picture = FOLDER / f"{name}.png"
        if picture.stat().st_size > MAX_IMAGE_BYTES:
            yield name
        else:
            shutil.copyfile(picture, IMAGES / f"console-{name}.png")


if __name__ == "__main__":
    sys.exit(main())
