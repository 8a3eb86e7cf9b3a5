"""What strangers write is shown in a real Chromium and runs nothing; every page is usable by everybody (axe).

Names, texts, ids, file names, headers and errors come from callers and from whoever writes to an account.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

import streams.console
from streams.contract.errors import ErrorInfo
from streams.contract.inbound import InboundMedia
from streams.settings import Settings
from streams.whatsapp.install import executable
from tests.console.world import PHONE, Topics, make_letter, visit
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.browser]

ATTACK = "<img src=x onerror=alert(1)>'\"><script>alert(2)</script>{{7*7}}<svg/onload=alert(3)>"
TURNED = "\u202etxt.exe\u2066"  # turns the direction of what follows
AXE = Path(streams.console.__file__).parent / "npm/node_modules/axe-core/axe.min.js"
SCREENSHOTS = os.environ.get("CONSOLE_SCREENSHOTS")  # a folder to look at the pages in


@dataclass
class Browser:
    """A page, and what it complained about."""

    page: Page
    url: str
    topics: Topics
    problems: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Load a page of the console. The account that waits to be linked is alive."""
        if "link-1" in path:
            await self.topics.put_account(account="link-1", state="linking", qr=ATTACK)
        await self.page.goto(self.url + path)


@pytest_asyncio.fixture
async def browser(settings: Settings) -> AsyncIterator[Browser]:
    """A browser at a console that shows attacks everywhere."""
    async with Topics.open(settings) as topics:
        await topics.fill()
        await fill_with_attacks(topics)
        program = executable.find_chromium(None)
        async with visit(settings) as visitor, async_playwright() as playwright:
            await wait_until(lambda: _is_filled(visitor))
            await wait_until(lambda: _is_reported(visitor))  # its page shows the report then
            chromium = await playwright.chromium.launch(executable_path=str(program.path))
            browser = Browser(await chromium.new_page(), visitor.url, topics)
            watch(browser)
            yield browser
            await chromium.close()


async def _is_filled(visitor: Any) -> bool:
    return (await visitor.get("/readyz"))[0] == 200


async def _is_reported(visitor: Any) -> bool:
    return "From acceptance to reading" in (await visitor.get(PAGES["report"]))[1]


def watch(browser: Browser) -> None:
    """Notice a dialog, an error of a script, and a violation of the policy, which the console of Chromium names."""
    page, problems = browser.page, browser.problems

    async def close_dialog(dialog: Any) -> None:
        problems.append(f"a dialog: {dialog.message}")
        await dialog.dismiss()

    page.on("dialog", close_dialog)
    page.on("pageerror", lambda error: problems.append(f"an error: {error}"))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )


async def fill_with_attacks(topics: Topics) -> None:
    """HTML in every field that somebody else writes."""
    error = ErrorInfo(code="server_error", class_="transient", title=ATTACK, detail=ATTACK)
    await topics.put_event(
        ATTACK, "accepted", 9.0, batch_id=ATTACK, metadata=orjson.dumps({"a": ATTACK})
    )
    await topics.put_event("bad", "failed", 5.0, error=error, account=ATTACK, whatsapp_id=ATTACK)
    await topics.put_event("no-number", "rejected", 5.0, to=None, unreadable_to=ATTACK, error=error)
    request = {"to": ATTACK, "batch_id": ATTACK, "text": ATTACK}
    letter = make_letter(ATTACK, topics.now_s, request, message=ATTACK, account=ATTACK)
    headers = ((ATTACK, ATTACK.encode()),)
    await topics.put_letter(type(letter)(info=letter.info, value=letter.value, headers=headers))
    media = InboundMedia(filename=ATTACK + TURNED, size=3)
    await topics.put_inbound(ATTACK, name=ATTACK + TURNED, caption=ATTACK, media=media)
    await topics.put_batch(ATTACK, 1)
    await topics.put("outbound", b"k", orjson.dumps({"id": "bad", "to": PHONE, "text": ATTACK}))
    consent = {"phone": ATTACK, "consent": "opted_out", "at": ATTACK, "source": "message"}
    await topics.put("consent", b"k", orjson.dumps(consent | {"account": ATTACK}))
    template = {"name": "attack", "language": "en", "content": {"type": "text", "body": ATTACK}}
    await topics.put("templates", b"attack/en", orjson.dumps(template))
    await topics.put("templates", f"{ATTACK}/en".encode(), orjson.dumps({"name": ATTACK}))
    await topics.put_alert("raised", summary=ATTACK, labels={"account": ATTACK}, runbook=ATTACK)
    await topics.put_account(account="sales-1", state="restricted", reason=ATTACK, phone=ATTACK)
    await topics.put_account(account="link-1", state="linking", qr=ATTACK)


PAGES = {
    "overview": "/",
    "runbook": "/runbook?alert=account_silent",
    "report": "/report?since=24h&by=batch",
    "accounts": "/accounts",
    "account": "/account?name=sales-1",
    "linking": "/account?name=link-1",
    "queue": "/queue",
    "queue-of": "/queue?" + urlencode({"to": PHONE}),
    "search": "/search?" + urlencode({"q": ATTACK}),
    "message": "/message?" + urlencode({"to": PHONE, "id": "bad"}),
    "message-id": "/message?" + urlencode({"to": PHONE, "id": ATTACK}),
    "message-unknown": "/message?" + urlencode({"to": ATTACK, "id": ATTACK}),
    "conversation": "/conversation?" + urlencode({"to": PHONE}),
    "batches": "/batches",
    "batch": "/batch?" + urlencode({"id": ATTACK}),
    "dead-letters": "/dead-letters?" + urlencode({"account": ATTACK}),
    "dead-letters-all": "/dead-letters",
    "dead-letter": "/dead-letter?" + urlencode({"id": f"wa.outbound:0:{sum(ATTACK.encode())}"}),
    "consents": "/consents",
    "forget": "/forget?" + urlencode({"to": ATTACK}),
    "templates": "/templates",
    "template": "/template?" + urlencode({"name": "attack", "language": "en"}),
    "send": "/send?" + urlencode({"to": ATTACK, "id": ATTACK}),
    "login": "/login?" + urlencode({"next": ATTACK}),
    "error": "/account?" + urlencode({"name": ATTACK}),
}


async def test_what_strangers_write_runs_nothing(browser: Browser) -> None:
    """No dialog, no violation of the policy, no element of theirs; the text is there as they wrote it."""
    for name, path in PAGES.items():
        await browser.open(path)
        if name == "error":  # Chromium reports the status 404 as an error
            assert "404" in browser.problems.pop()
        assert browser.problems == [], name
        foreign = "img, main script, svg[onload], [onerror], [style], style"
        assert await browser.page.locator(foreign).count() == 0, name
    for name in ("conversation", "dead-letter", "message-id", "error"):
        await browser.open(PAGES[name])
        assert ATTACK in await browser.page.locator("main").inner_text(), name
    assert "404" in browser.problems.pop()
    await browser.open(PAGES["conversation"])
    text = await browser.page.locator("main").inner_text()
    assert TURNED[0] not in text and "\ufffdtxt.exe\ufffd" in text
    await browser.open(PAGES["linking"])
    assert await browser.page.locator(".qr svg path").count() > 0


async def test_a_browser_can_send_the_forms(browser: Browser) -> None:
    """What a browser adds to a form of ours is not what it adds to one of another site."""
    page = browser.page
    await browser.open("/send?" + urlencode({"to": PHONE, "id": "by-form"}))
    await page.fill("#text", "hello")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("status").filter(has_text="Kafka has the request").wait_for()
    assert "by-form" in page.url
    await browser.open("/account?name=main")
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_role("status").filter(has_text="main is to be paused").wait_for()
    await page.locator("#live", has_text="paused by").wait_for()
    await browser.open("/dead-letters")
    await page.get_by_role("checkbox", name="Select wa.outbound").first.check()
    await page.get_by_role("button", name="Replay the selected").click()
    await page.get_by_text("To be replayed").wait_for()
    foreign = (
        f"<form method=post action='{browser.url}/accounts/request'><button>Go</button></form>"
    )
    await page.route(
        "http://evil.example/**",
        lambda route: route.fulfill(body=foreign, content_type="text/html"),
    )
    await page.goto("http://evil.example/")
    await page.get_by_role("button").click()
    await page.get_by_text("403: the request comes from a page of another site").wait_for()


async def test_an_open_page_shows_what_changes(browser: Browser, settings: Settings) -> None:
    """Without a reload, and without a violation of the policy by the library that does it."""
    await browser.open("/")
    async with Topics.open(settings) as topics:
        await topics.put_account(state="paused", reason="requested")
        paused = browser.page.locator("#live .state.paused")
        await paused.wait_for(timeout=30_000)
    assert browser.problems == []
    # A console that does not answer any more is not taken for one that shows the present.
    await browser.page.route("**/*", lambda route: route.abort())
    await browser.page.evaluate("htmx.trigger('#live', 'reload')")
    await browser.page.locator("#stale").wait_for(timeout=30_000)
    await browser.page.unroute_all()
    await browser.page.evaluate("htmx.trigger('#live', 'reload')")
    await browser.page.locator("#stale").wait_for(state="hidden", timeout=30_000)


async def test_every_page_is_usable_by_everybody(browser: Browser) -> None:
    """axe finds nothing in light and dark, and no page is wider than a phone."""
    if not AXE.exists():
        if os.environ.get("CI"):
            pytest.fail("axe-core is missing: run `make console-tools`")
        pytest.skip("axe-core is missing: run `make console-tools`")
    await browser.page.set_viewport_size({"width": 390, "height": 844})
    for name, path in PAGES.items():
        await browser.open(path)
        width = await browser.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, name
        # By the debugger, not as an element: the policy of the page forbids that.
        await browser.page.evaluate(AXE.read_text())
        for scheme, rules in (("light", "undefined"), ("dark", "['color-contrast']")):
            await browser.page.emulate_media(color_scheme=scheme)
            await take_screenshot(browser, f"{name}-{scheme}")
            result = await browser.page.evaluate(f"axe.run({{runOnly: {rules}}})")
            found = [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in result["violations"]]
            assert found == [], (name, scheme)


async def take_screenshot(browser: Browser, name: str) -> None:
    """Keep a picture, if a folder is named."""
    if not SCREENSHOTS:
        return
    for width in (390, 1280):
        await browser.page.set_viewport_size({"width": width, "height": 844})
        path = Path(SCREENSHOTS) / f"{name}-{width}.png"
        await browser.page.screenshot(path=path, full_page=True)
    await browser.page.set_viewport_size({"width": 390, "height": 844})
