"""Faults that are asked for over the control, as pages without a browser feel them."""

import asyncio

from tests.support.browser import SandboxControl
from tests.support.sandbox import Sandbox
from tests.support.wire import ME, PEER, WirePage


async def test_a_lost_ack(control: SandboxControl, page: WirePage) -> None:
    """The recipient has it and the page hears nothing of it, not even a receipt."""
    await control.post("/faults", {"ack_lost": True, "count": 1})
    await page.send_text("3EB001", PEER)
    await page.send_text_and_get_ack("3EB002")
    assert (await page.receive("receipt"))["ids"] == ["3EB002"]
    assert [(row["shown"], row["acked"]) for row in await control.fetch_log()] == [
        (True, False),
        (True, True),
    ]


async def test_a_late_ack(control: SandboxControl, page: WirePage) -> None:
    """Others are acknowledged meanwhile; the log has the order of arrival."""
    await control.post("/faults", {"ack_delay_ms": 200, "count": 1})
    await page.send_text("3EB001", PEER)
    await page.send_text("3EB002", PEER)
    assert [(await page.receive("ack"))["id"] for _ in range(2)] == ["3EB002", "3EB001"]
    assert await control.fetch_new_ids() == ["3EB001", "3EB002"]


async def test_an_error_for_one_number(control: SandboxControl, page: WirePage) -> None:
    """With WhatsApp's code; the recipient has nothing, and other numbers are spared."""
    await control.post("/faults", {"send_error": 463, "number": PEER})
    assert (await page.send_text_and_get_ack("3EB001"))["error"] == 463
    assert "error" not in await page.send_text_and_get_ack("3EB002", "+905551112244")
    await control.clear_faults()
    assert "error" not in await page.send_text_and_get_ack("3EB001")
    assert await control.fetch_new_ids() == ["3EB002", "3EB001"]


async def test_a_look_up_that_fails(control: SandboxControl, page: WirePage) -> None:
    """It is an error, which is not "no"."""
    await control.post("/faults", {"lookup_error": True, "count": 1})
    assert (await page.request("exists", wid="60123456781@c.us"))["error"] == 500
    assert "error" not in await page.request("exists", wid="60123456781@c.us")


async def test_a_cut_connection(sandbox: Sandbox, control: SandboxControl, page: WirePage) -> None:
    """Everybody's, or one account's; and they may come again."""
    async with WirePage(sandbox, "b") as second:
        await control.post("/scan", {"qr": await second.read_qr()})
        await control.post("/faults", {"drop_socket": True, "account": "+905550000002"})
        await second.wait_closed()
        await page.send_text_and_get_ack("3EB001")
    async with WirePage(sandbox, "b", linked=True) as second:
        await second.receive("welcome")
        await control.post("/faults", {"drop_socket": True})
        await asyncio.gather(page.wait_closed(), second.wait_closed())


async def test_a_network_that_is_down(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """With `count: null` a blow lasts, until the faults are taken back."""
    await control.post("/faults", {"drop_socket": True, "count": None})
    await page.wait_closed()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.wait_closed()
    await control.clear_faults()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.send_text_and_get_ack("3EB001")


async def test_a_connection_cut_before_the_ack(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """A blow with a number falls when a message to it has arrived; sent again it is a repeat."""
    await control.post("/faults", {"drop_socket": True, "number": PEER})
    await page.send_text_and_get_ack("3EB001", "+905551112244")
    await page.send_text("3EB002", PEER)
    await page.wait_closed()
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.send_text_and_get_ack("3EB002")
    assert [row["shown"] for row in await control.fetch_log()] == [True, True, False]


async def test_unlinked_by_the_phone(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """Also a device that is not connected."""
    await control.post("/faults", {"logout": True, "account": ME})
    await page.receive("unpaired")
    async with WirePage(sandbox, "a", linked=True) as again:
        await again.receive("unpaired")


async def test_restricted(control: SandboxControl, page: WirePage) -> None:
    """Until the faults are taken back."""
    await control.post("/faults", {"restrict": True})
    assert (await page.receive("restricted"))["mode"] == "TOS_BLOCK"
    await control.clear_faults()
    await page.receive("welcome")
