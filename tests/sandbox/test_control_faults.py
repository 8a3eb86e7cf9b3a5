"""Faults added through the control interface, and their effect on pages without a browser."""

import asyncio

from tests.support.pages.wire import ME, PEER, WirePage
from tests.support.sandbox import Sandbox, SandboxControl


async def test_a_lost_ack(control: SandboxControl, page: WirePage) -> None:
    """The recipient has the message, and the page gets neither its ack nor a receipt."""
    await control.add_faults({"ack_lost": True}, count=1)
    await page.send_text("3EB001", PEER)
    await page.send_text_and_get_ack("3EB002")
    assert (await page.receive("receipt"))["ids"] == ["3EB002"]
    assert [(row["shown"], row["acked"]) for row in await control.fetch_log()] == [
        (True, False),
        (True, True),
    ]


async def test_a_late_ack(control: SandboxControl, page: WirePage) -> None:
    """Other messages get their acks meanwhile, and the log keeps the order of arrival."""
    await control.add_faults({"ack_delay_ms": 200}, count=1)
    await page.send_text("3EB001", PEER)
    await page.send_text("3EB002", PEER)
    assert [(await page.receive("ack"))["id"] for _ in range(2)] == ["3EB002", "3EB001"]
    assert await control.fetch_new_ids() == ["3EB001", "3EB002"]


async def test_an_error_for_one_number(control: SandboxControl, page: WirePage) -> None:
    """The page gets WhatsApp's code, the recipient gets nothing, and other numbers are not affected."""
    await control.add_faults({"send_error": 463}, number=PEER)
    assert (await page.send_text_and_get_ack("3EB001"))["error"] == 463
    assert "error" not in await page.send_text_and_get_ack("3EB002", "+905551112244")
    await control.clear_faults()
    assert "error" not in await page.send_text_and_get_ack("3EB001")
    assert await control.fetch_new_ids() == ["3EB002", "3EB001"]


async def test_a_look_up_that_fails(control: SandboxControl, page: WirePage) -> None:
    """A failed look-up is an error, which is not "no"."""
    await control.add_faults({"lookup_error": True}, count=1)
    assert (await page.request("exists", wid="60123456781@c.us"))["error"] == 500
    assert "error" not in await page.request("exists", wid="60123456781@c.us")


async def test_a_dropped_connection(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """The fault closes one account's connection or all, and the pages may connect again."""
    async with WirePage(sandbox, "b") as second:
        await control.scan(await second.read_qr())
        await control.add_faults({"drop_socket": True}, account="+905550000002")
        await second.wait_closed()
        await page.send_text_and_get_ack("3EB001")
    async with WirePage(sandbox, "b", linked=True) as second:
        await second.receive("welcome")
        await control.add_faults({"drop_socket": True})
        await asyncio.gather(page.wait_closed(), second.wait_closed())


async def test_a_network_that_is_down(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """With `count: null` a one-shot fault lasts until the faults are removed."""
    await control.add_faults({"drop_socket": True}, is_lasting=True)
    await page.wait_closed()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.wait_closed()
    await control.clear_faults()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.send_text_and_get_ack("3EB001")


async def test_a_connection_dropped_before_the_ack(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """A one-shot fault with a number waits for a message to it; sent again, that message is a repeat."""
    await control.add_faults({"drop_socket": True}, number=PEER)
    await page.send_text_and_get_ack("3EB001", "+905551112244")
    await page.send_text("3EB002", PEER)
    await page.wait_closed()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.send_text_and_get_ack("3EB002")
    assert [row["shown"] for row in await control.fetch_log()] == [True, True, False]


async def test_unlinked_by_the_phone(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """The phone unlinks its device, and it is still unlinked when it connects again."""
    await control.add_faults({"logout": True}, account=ME)
    await page.receive("unpaired")
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.receive("unpaired")


async def test_restricted(control: SandboxControl, page: WirePage) -> None:
    """An account is restricted until the faults are removed."""
    await control.add_faults({"restrict": True})
    assert (await page.receive("restricted"))["mode"] == "TOS_BLOCK"
    await control.clear_faults()
    await page.receive("welcome")


async def test_a_time_lock_of_one_account(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """Its messages to strangers are refused with 463, those of other accounts are not."""
    async with WirePage(sandbox, "b") as second:
        await control.scan(await second.read_qr())
        await control.add_faults({"time_lock": 60}, account=ME)
        assert (await page.receive("time_lock"))["is_active"] is True
        assert (await page.send_text_and_get_ack("3EB001"))["error"] == 463
        assert "error" not in await second.send_text_and_get_ack("3EB002")
        await control.write_to_account(PEER, ME, "hello")
        assert "error" not in await page.send_text_and_get_ack("3EB003")


async def test_a_cap_that_is_used_up(control: SandboxControl, page: WirePage) -> None:
    """The server counts messages to strangers, tells the page, and then answers 475."""
    await control.add_faults({"new_chat_cap": 1})
    assert (await page.receive("new_chat_cap"))["used_quota"] == 0
    await page.send_text("3EB001", PEER)
    assert (await page.receive("new_chat_cap"))["used_quota"] == 1
    assert (await page.receive("ack"))["id"] == "3EB001"
    assert (await page.send_text_and_get_ack("3EB002"))["error"] == 475
    assert await control.fetch_new_ids() == ["3EB001"]


async def test_a_ban_at_the_login(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """The connection is closed, and each login fails with 402 until the ban ends (WAWebHandleFailure)."""
    await control.add_faults({"ban": 60}, account=ME)
    await page.wait_closed()
    async with WirePage(sandbox, "a", linked=True) as again:
        failure = await again.receive("failure")
        assert (failure["reason"], failure["code"]) == (402, 101)
        assert 50 < failure["expire"] <= 60
        await again.wait_closed()
    await control.clear_faults()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.receive("welcome")


async def test_a_server_that_is_down(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """The connection is closed, and no handshake succeeds until the outage ends."""
    await control.add_faults({"socket_down_s": 60})
    await page.wait_closed()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.wait_closed()
    await control.clear_faults()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.receive("welcome")
        await again.receive("offline")
