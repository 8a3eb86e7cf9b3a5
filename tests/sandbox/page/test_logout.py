"""How the page logs out, and what it refuses or repeats when the server refuses it. One browser for all."""

import pytest

from streams.sandbox.state.faults import FaultValue
from streams.whatsapp.install.bundle import find_bundle
from tests.sandbox.page.raw_page import RawPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_PREVIOUS_CODE = "() => require('WAWebLogoutReason').getPrevLogoutReasonCode()"


@pytest.mark.parametrize(
    ("fault", "query", "code"),
    [
        ({"logout": True}, "post_logout=1", None),
        ({"logout": "syncd_failure"}, "post_logout=1&logout_reason=1", "1"),
        ({"logout": "md_opt_out"}, "post_logout=1", None),
        ({"stream_error": 401}, "post_logout=1", None),
        ({"stream_error": 403}, "post_logout=1&logout_reason=3", "3"),
        ({"stream_error": 406}, "post_logout=1", None),
    ],
)
async def test_the_reason_is_in_the_address(
    linked_page: RawPage, fault: dict[str, FaultValue], query: str, code: str | None
) -> None:
    """Only some reasons have a code (WAWebReloadAfterLogout, WAWebLogoutReason, WAWebHandleFailure)."""
    tab = linked_page.tab
    async with tab.expect_request(lambda request: "post_logout" in request.url) as request:
        await linked_page.control.add_faults(fault)
    assert (await request.value).url.partition("?")[2] == query
    await linked_page.wait("() => location.search === '' && Boolean(window.Debug)")
    assert (await linked_page.wait_for_state(mode="QR"))["mode"] == "QR"
    assert await linked_page.run(_PREVIOUS_CODE) == code
    overview = await linked_page.control.fetch_overview()
    assert [account.devices for account in overview.accounts] == [0]


@pytest.mark.parametrize("reason", [405, 409])
async def test_a_forced_update(linked_page: RawPage, reason: int) -> None:
    """The page loads itself again, and stays linked (WAWebHandleFailure, WAWebUpdater)."""
    async with linked_page.tab.expect_navigation():
        await linked_page.control.add_faults({"stream_error": reason})
    await linked_page.wait_for_modules()
    await linked_page.wait_for_connection()


async def test_a_storage_that_cannot_be_opened(linked_page: RawPage) -> None:
    """It logs the device out; the server keeps the device (WAWebStartBackend)."""
    await linked_page.control.add_faults({"storage_failure": True})
    async with linked_page.tab.expect_request(
        lambda request: "post_logout=1&logout_reason=0" in request.url
    ):
        await linked_page.tab.reload()
    await linked_page.wait("() => location.search === '' && Boolean(window.Debug)")
    await linked_page.wait_for_code()
    assert await linked_page.run(_PREVIOUS_CODE) == "0"
    overview = await linked_page.control.fetch_overview()
    assert [account.devices for account in overview.accounts] == [1]


async def test_wa_js_learns_the_reason(linked_page: RawPage) -> None:
    """wa-js is fully ready, and wraps the function that maps a reason to its code (its own source)."""
    await linked_page.run(find_bundle(None).read_text("utf-8"))
    await linked_page.wait("() => window.WPP.isFullReady")
    await linked_page.run(
        "() => window.WPP.on('conn.logout_reason', (reason) => localStorage.setItem('reason', reason))"
    )
    await linked_page.control.add_faults({"logout": "account_sync_error"})
    await linked_page.wait("() => localStorage.getItem('reason') === 'account_sync_error'")
    await linked_page.wait_for_code()  # a page that just navigates cannot be closed reliably
