"""The diagnosis and the symbols, in a real Chromium: on documents that are not WhatsApp's, and on a full page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from streams.whatsapp.diagnosis import PageDiagnosis, parse_page
from streams.whatsapp.driver import Phase
from streams.whatsapp.install import executable
from streams.whatsapp.web.page import DIAGNOSIS_SCRIPT, load_script
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER,
    PEER_CHAT,
    MakeDriver,
    SandboxControl,
    link,
    make_text,
    wait_for_phase,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

UNSUPPORTED = """<title>WhatsApp Web</title>
<h1>WhatsApp works with Google Chrome 85+</h1><p>To use WhatsApp, update Chrome.</p>"""
# A page with a loader, a few of the modules, and what wa-js makes of them.
FAKE_WHATSAPP = """() => {
  const modules = {
    WAWebSocketModel: { Socket: { state: "CONNECTED", stream: undefined } },
    WAWebResendMsgAction: { resendMsg: () => {} },
    WAWebLaunchSocketUtils: {},
  };
  window.ErrorGuard = {};
  window.require = () => ({ modulesMap: modules });
  return {
    isFullReady: true,
    whatsapp: { functions: { unixTime: () => 0 }, Socket: modules.WAWebSocketModel.Socket },
    loader: { moduleRequire: (id) => modules[id] },
  };
}"""
OpenDocument = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_document() -> AsyncIterator[OpenDocument]:
    """Opens an address of WhatsApp's site at which the server has this document."""
    program = executable.find_chromium(None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(program.path))
        page = await browser.new_page()

        async def open_document(html: str, address: str = "https://web.whatsapp.com/") -> Page:
            await page.unroute_all()
            await page.route(
                "**/*", lambda route: route.fulfill(body=html, content_type="text/html")
            )
            await page.goto(address)
            return page

        yield open_document
        await browser.close()


async def diagnose(page: Page) -> PageDiagnosis:
    return parse_page(await page.evaluate(DIAGNOSIS_SCRIPT))


# ---- documents that are not WhatsApp's


async def test_an_unsupported_browser_is_recognized(open_document: OpenDocument) -> None:
    """The server's page for browsers that it does not support has none of WhatsApp's modules."""
    diagnosis = await diagnose(await open_document(UNSUPPORTED))
    assert diagnosis.document.is_unsupported_browser is True
    assert diagnosis.document.title == "WhatsApp Web"
    assert diagnosis.session.socket is None
    assert not any(symbol.is_present for symbol in diagnosis.symbols)
    assert diagnosis.codecs.keys() == {"h264", "aac", "opus", "vp8", "webp"}


async def test_an_empty_document_can_be_diagnosed(open_document: OpenDocument) -> None:
    """Nothing is there to be read, and nothing fails."""
    diagnosis = await diagnose(await open_document(""))
    assert diagnosis.document.is_unsupported_browser is False
    assert diagnosis.document.is_wa_js_ready is False
    assert diagnosis.document.module_count is None


async def test_an_address_keeps_only_the_reason_of_a_logout(open_document: OpenDocument) -> None:
    """Source: WAWebReloadAfterLogout; anything else in an address or a title may be personal."""
    page = await open_document(
        "<title>(3) Ayşe Kaya</title>",
        "https://web.whatsapp.com/?post_logout=1&logout_reason=2&phone=905551112233#token",
    )
    document = (await diagnose(page)).document
    assert document.url == "https://web.whatsapp.com/?logout_reason=2"
    assert document.title == "another title"


# ---- the symbols


async def check_symbols(page: Page, wpp: str, script: str) -> Any:
    return await page.evaluate(
        f"() => {{ const WPP = ({wpp})(); const symbols = {load_script('symbols')}(WPP);"
        f" return ({script})(symbols, WPP); }}"
    )


async def test_a_symbol_is_where_wa_js_or_its_module_has_it(open_document: OpenDocument) -> None:
    """A member may be there without a value; a module without the export is not enough."""
    page = await open_document("")
    checked = await check_symbols(page, FAKE_WHATSAPP, "(symbols) => symbols.check()")
    present = {row["name"] for row in checked if row["is_present"]}
    assert present == {"unixTime", "Socket.state", "Socket.stream", "resendMsg"}
    assert {row["address"] for row in checked} >= {
        "WAWebSendMsgChatAction.addAndSendMsgToChat",
        "WAWebMsgKey.default",
        "WAWebSocketModel.Socket.reconnect",
    }


async def test_the_list_has_every_group(open_document: OpenDocument) -> None:
    """Each group of the design has a symbol, and no address is listed twice."""
    page = await open_document("")
    checked = await check_symbols(page, "() => null", "(symbols) => symbols.check()")
    assert {row["group"] for row in checked} == {
        "sending",
        "receipts",
        "session",
        "linking",
        "restrictions",
        "look_ups",
        "incoming",
        "typing",
        "forgetting",
        "resend",
    }
    addresses = [row["address"] for row in checked]
    assert len(addresses) == len(set(addresses))


async def test_missing_symbols_have_their_group(open_document: OpenDocument) -> None:
    """A name that the adapter reports gets its group; the list is not read again for each state."""
    page = await open_document("")
    script = """(symbols, WPP) => {
      const before = [...symbols.missing];
      symbols.missing.add("gate");
      symbols.missing.add("Socket");
      symbols.missing.add("needsUpdate");
      delete WPP.whatsapp.functions.unixTime;
      return { before, after: [...symbols.missing] };
    }"""
    missing = await check_symbols(page, FAKE_WHATSAPP, script)
    assert "linking/refreshQR" in missing["before"]
    assert "resend/resendMsg" not in missing["before"]
    added = set(missing["after"]) - set(missing["before"])
    assert added == {"sending/gate", "session/Socket", "session/needsUpdate"}


# ---- a driver


@pytest.mark.asyncio(loop_scope="function")
async def test_a_full_page_gives_nothing_personal(
    make_driver: MakeDriver, control: SandboxControl
) -> None:
    """No number, name, chat id, text, id, QR code or link leaves the page, in any state of it."""
    driver = make_driver()
    await driver.start()
    linking = await wait_for_phase(driver, Phase.LINKING)
    assert linking.qr is not None
    before = await driver.diagnose()
    assert before.page is not None
    assert before.page.session.is_linked is False
    ready = await link(driver, control)
    await control.post("/faults", {"ack_lost": True, "count": 1})
    secrets = ["3EB0D0C701", "3EB0D0C702", "a secret text", "Ayşe", PEER[1:], PEER_CHAT]
    await submit_all(driver, control)
    after = await driver.diagnose()
    assert after.page is not None
    assert after.page.session.is_linked is True
    assert after.page.session.pending_rows == 1
    assert after.start_times_s.keys() >= {"page", "modules", "wa_js", "connected", "ready"}
    code_fields = [field for field in linking.qr.split(",") if len(field) > 4]
    assert len(code_fields) >= 4
    secrets += [*code_fields, str(ready.phone)[1:], str(ready.link)]
    for diagnosis in (before, after):
        text = msgspec.json.encode(diagnosis).decode()
        assert [secret for secret in secrets if secret in text] == []


async def submit_all(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """One message in doubt, one that is read, and one from a recipient."""
    await driver.submit(make_text("3EB0D0C701", "a secret text", ack_timeout_s=0.3))
    await driver.submit(make_text("3EB0D0C702", "a secret text of Ayşe"))
    await control.write_to_account(PEER, str(driver.session.phone), "a secret text")
