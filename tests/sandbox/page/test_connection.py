"""The page's connection: what its models say while it is up, down, refused, replaced. One browser for all."""

import pytest
from playwright.async_api import BrowserContext

from tests.sandbox.page.raw_page import RawPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_RECONNECT = "() => require('WAWebSocketModel').Socket.reconnect()"


async def test_a_dropped_socket_keeps_the_mode(linked_page: RawPage) -> None:
    """Only the socket's state and stream change: the mode stays MAIN (WAWebStreamModel)."""
    await linked_page.control.add_faults({"socket_down_s": 60})
    down = await linked_page.wait_for_state(stream="DISCONNECTED", state="OPENING")
    assert (down["mode"], down["info"], down["online"]) == ("MAIN", "OPENING", True)
    await linked_page.control.clear_faults()
    await linked_page.wait_for_connection()


async def test_the_socket_is_connected_until_the_next_attempt(linked_page: RawPage) -> None:
    """Right after a drop, only the stream is DISCONNECTED (WAWebCommsConfigBase)."""
    await linked_page.run(
        """() => {
            const { Socket } = require("WAWebSocketModel");
            Socket.once("change:stream", () => { window.stateAtDrop = Socket.state; });
        }"""
    )
    await linked_page.control.add_faults({"drop_socket": True})
    await linked_page.wait("() => Boolean(window.stateAtDrop)")
    assert await linked_page.run("() => window.stateAtDrop") == "CONNECTED"
    await linked_page.wait_for_connection()


async def test_never_connected(linked_page: RawPage) -> None:
    """A page that starts without a server is SYNCING, without a network OFFLINE (WAWebStreamModel)."""
    await linked_page.control.add_faults({"socket_down_s": 60})
    await linked_page.load()
    assert (await linked_page.wait_for_state(state="OPENING"))["mode"] == "SYNCING"
    await linked_page.control.add_faults({"network_down_s": 60})
    await linked_page.run("() => importDefault('WAWebNetworkStatus').checkOnline()")
    state = await linked_page.wait_for_state(online=False)
    assert (state["mode"], state["info"]) == ("OFFLINE", "OFFLINE")
    await linked_page.control.clear_faults()
    await linked_page.wait_for_connection()


async def test_reconnect_closes_the_socket_that_is_open(linked_page: RawPage) -> None:
    """`Socket.reconnect` closes the socket; between two attempts it does nothing (WAWebLaunchSocket)."""
    await linked_page.record_events("open_socket_stream_from_bridge")
    await linked_page.run(_RECONNECT)
    await linked_page.wait_for_event("open_socket_stream_from_bridge")
    await linked_page.wait_for_connection()


async def test_an_attempt_at_once(linked_page: RawPage) -> None:
    """`maybeResetSocketLoop` ends the wait between two attempts; a connected page ignores it (WAComms)."""
    reset = "() => require('WAComms').maybeResetSocketLoop()"
    await linked_page.run(reset)
    assert (await linked_page.read_state())["stream"] == "CONNECTED"
    await linked_page.control.add_faults({"socket_down_s": 60})
    await linked_page.wait_for_state(state="OPENING")
    await linked_page.control.clear_faults()
    await linked_page.run(reset)
    await linked_page.wait_for_connection()


async def test_the_back_off(linked_page: RawPage) -> None:
    """The waits are Fibonacci's seconds with a tenth of jitter, up to a maximum (WAPromiseBackoffs)."""
    waits = await linked_page.run(
        """() => {
            const next = require("WAPromiseBackoffs").createTimer({ max: 900000 });
            return Array.from({ length: 20 }, next);
        }"""
    )
    expected = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 900, 900, 900, 900, 900]
    assert all(
        1000 * base <= wait <= 1100 * base + 1 for wait, base in zip(waits, expected, strict=True)
    )
    assert await linked_page.run("() => require('WAWebSocketModel').Socket.retryTimestamp") is None


async def test_the_health_check(linked_page: RawPage) -> None:
    """An idle page finds out by itself that its connection is dead, and opens another (WAComms)."""
    await linked_page.record_events("open_socket_stream_from_bridge")
    await linked_page.control.add_faults({"dead_socket": True})
    await linked_page.wait_for_event("open_socket_stream_from_bridge")
    await linked_page.wait_for_connection()


async def test_a_message_without_an_answer(linked_page: RawPage) -> None:
    """Without any answer in time, the page opens a new connection (WAComms)."""
    await linked_page.control.add_faults({"ack_lost": True})
    await linked_page.record_events("socket_stream_disconnected_from_bridge")
    # Again and again: the answer to a health check that was under way counts as an answer to the message.
    await linked_page.run(
        """() => setInterval(() => require("WAWebSandboxWire").send("msg", {
            id: "3EB0DEAD", to: "905551112233@c.us", type: "text", body: "", quoted: null, details: {},
        }), 10)"""
    )
    await linked_page.wait_for_event("socket_stream_disconnected_from_bridge")
    await linked_page.wait_for_connection()


async def test_offline_delivery(linked_page: RawPage) -> None:
    """It begins after each connect, has a progress, and ends at 99 (WAWebNonBlockingOfflineResumeManager)."""
    await linked_page.control.add_faults({"offline_delivery_ms": 400})
    await linked_page.load()
    during = await linked_page.wait_for_state(mode="MAIN", stream="CONNECTED")
    assert during["delivered"] is False
    await linked_page.record_events("offline_progress_update_from_bridge")
    await linked_page.wait_for_event("offline_progress_update_from_bridge")
    assert 0 <= await linked_page.run(_READ_PROGRESS) <= 95
    await linked_page.run(
        "() => require('WAWebEventsWaitForOfflineDeliveryEnd').waitForOfflineDeliveryEnd()"
    )
    assert (await linked_page.read_state())["delivered"] is True
    assert await linked_page.run("() => require('WAWebCmd').Cmd.isOfflineDeliveryEnd") is True
    assert await linked_page.run(_READ_PROGRESS) == 99


async def test_offline_delivery_after_a_reconnect(linked_page: RawPage) -> None:
    """A page that stayed open waits again, with the mode MAIN (WAWebNonBlockingOfflineResumeManager)."""
    await linked_page.record_events("offline_delivery_state_reset_from_bridge")
    await linked_page.control.add_faults({"offline_delivery_ms": 300})
    await linked_page.control.add_faults({"drop_socket": True})
    await linked_page.wait_for_event("offline_delivery_state_reset_from_bridge")
    assert (await linked_page.read_state())["mode"] == "MAIN"
    await linked_page.wait_for_connection()


async def test_replaced(linked_page: RawPage) -> None:
    """Another connection ends this one for good, and the mode stays MAIN (WAWebHandleStreamError)."""
    await linked_page.control.add_faults({"replaced": True})
    state = await linked_page.wait_for_state(stream="DISCONNECTED")
    assert (state["state"], state["mode"]) == ("CONNECTED", "MAIN")
    assert await linked_page.run("() => require('WAComms').isCommsInitialized()") is False
    await linked_page.load()
    await linked_page.wait_for_connection()


async def test_two_tabs(linked_page: RawPage, raw_browser: BrowserContext) -> None:
    """The second tab of a profile takes the session; the first keeps its mode (WAWebAppMutexCore)."""
    second = RawPage(await raw_browser.new_page(), linked_page.control)
    await second.load()
    await second.wait_for_connection()
    state = await linked_page.wait_for_state(stream="DISCONNECTED")
    assert state["mode"] == "MAIN"
    await second.tab.close(run_before_unload=True)


_READ_PROGRESS = (
    "() => require('WAWebOfflineHandler').OfflineMessageHandler.getOfflineDeliveryProgress()"
)
