"""The control interface, as the contract fixes it, met by pages without a browser."""

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tests.support.browser import SandboxControl
from tests.support.sandbox import Sandbox
from tests.support.wire import ME, PEER, WirePage


async def overview(sandbox: Sandbox) -> dict[str, Any]:
    async with aiohttp.request("GET", sandbox.control_url) as response:
        return await response.json()


async def refused(sandbox: Sandbox, path: str, body: Any) -> tuple[int, str]:
    async with aiohttp.request("POST", f"{sandbox.control_url}{path}", json=body) as response:
        return response.status, (await response.json())["error"]


# -- who is there


async def test_overview(sandbox: Sandbox, page: WirePage) -> None:
    """How a browser gets here, which accounts there are, and which codes wait to be scanned."""
    async with WirePage(sandbox, "b") as second:
        code = await second.read_qr()
        said = await overview(sandbox)
    assert said["ready"] is True
    assert said["browser_args"] == list(sandbox.browser_args)
    assert said["browser_args"][0].startswith(
        "--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:"
    )
    assert said["browser_args"][1].startswith("--ignore-certificate-errors-spki-list=")
    assert said["accounts"] == [{"phone": ME, "devices": 1, "connected": True}]
    assert said["qr"] == [code]


async def test_scan_links_with_the_phone_that_is_named(
    sandbox: Sandbox, control: SandboxControl
) -> None:
    """Else with the first one that nobody has."""
    async with WirePage(sandbox, "a") as first, WirePage(sandbox, "b") as second:
        named = await control.post("/scan", {"qr": await first.read_qr(), "phone": "+60123456789"})
        chosen = await control.post("/scan", {"qr": await second.read_qr()})
        assert (named, chosen) == ({"phone": "+60123456789"}, {"phone": ME})
        assert (await first.receive("paired"))["me"] == "60123456789@c.us"


async def test_a_code_that_nobody_shows_is_refused(sandbox: Sandbox, page: WirePage) -> None:
    """Also one with another page's keys in it, and the one that has been used."""
    async with WirePage(sandbox, "b") as other:
        ref, *_ = (await other.read_qr()).split(",")
        for qr in ("2@x,a,b,c", f"{ref},noise-a,identity-a,adv-a,1"):
            status, error = await refused(sandbox, "/scan", {"qr": qr})
            assert (status, "no page shows this QR code" in error) == (409, True)


async def test_scan_by_pairing_code(sandbox: Sandbox, control: SandboxControl) -> None:
    """Written with or without a hyphen, and in the phone it was made for alone."""
    async with WirePage(sandbox, "a") as page:
        code = (await page.request("pair_code", phone=ME.removeprefix("+")))["code"]
        status, error = await refused(
            sandbox, "/scan", {"pairing_code": code, "phone": "+60123456789"}
        )
        assert (status, error) == (409, f"POST /scan: the code was made for {ME}")
        typed = f"{code[:4]}-{code[4:]}".lower()
        assert await control.post("/scan", {"pairing_code": typed, "phone": ME}) == {"phone": ME}
        await page.receive("paired")


async def test_a_device_stays_linked(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """It is known by its key when it connects again; the page before it is told of the conflict."""
    async with WirePage(sandbox, "a", linked=True) as again:
        assert (await again.receive("welcome"))["me"] == "905550000001@c.us"
        await page.receive("conflict")
    async with WirePage(sandbox, "stranger", linked=True) as stranger:
        await stranger.receive("unpaired")


async def test_two_accounts_at_once(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """Each message is its account's; receipts go to nobody else."""
    async with WirePage(sandbox, "b") as second:
        await control.post("/scan", {"qr": await second.read_qr()})
        await page.send_text_and_get_ack("3EB001")
        await second.send_text_and_get_ack("3EB002")
        receipt = await second.receive("receipt")
        assert receipt["ids"] == ["3EB002"]
    assert [(row["from"], row["whatsapp_id"]) for row in await control.fetch_log()] == [
        (ME, "3EB001"),
        ("+905550000002", "3EB002"),
    ]


# -- the log


async def test_log(control: SandboxControl, page: WirePage) -> None:
    """Every message in order, with what the contract says; `after` leaves out what was read."""
    for whatsapp_id in ("3EB001", "3EB002", "3EB001"):
        await page.send_text_and_get_ack(whatsapp_id)
    rows = await control.fetch_log()
    first = rows[0]
    assert {
        "event": "message",
        "from": ME,
        "to": PEER,
        "whatsapp_id": "3EB001",
        "type": "text",
        "body": "hello",
        "shown": True,
    }.items() <= first.items()
    at = datetime.fromisoformat(first["at"])
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})
    assert await control.fetch_log(after_seq=first["seq"]) == rows[1:]


async def test_a_repeated_id_is_not_shown_again(control: SandboxControl, page: WirePage) -> None:
    """To the same recipient; to another it is another message."""
    await page.send_text_and_get_ack("3EB001")
    await page.send_text_and_get_ack("3EB001")
    await page.send_text_and_get_ack("3EB001", "+905551112244")
    assert [row["shown"] for row in await control.fetch_log()] == [True, False, True]


async def test_everything_that_happened(sandbox: Sandbox, page: WirePage) -> None:
    """Asked for, the log also tells of links, refusals and receipts."""
    await page.send_text_and_get_ack("3EB001")
    receipt = await page.receive("receipt")
    await page.send(
        "receipt_confirmed", **{name: receipt[name] for name in ("type", "from", "ids")}
    )
    await page.request("logout")
    async with aiohttp.request("GET", f"{sandbox.control_url}/log?event=all") as response:
        events = [row["event"] for row in await response.json()]
    assert events == ["linked", "message", "receipt_confirmed", "unlinked"]


async def test_a_wrong_after_is_refused(sandbox: Sandbox) -> None:
    """400, with the parameter's name."""
    async with aiohttp.request("GET", f"{sandbox.control_url}/log?after=x") as response:
        assert response.status == 400
        assert "after" in (await response.json())["error"]


# -- numbers, what recipients do


async def test_numbers(control: SandboxControl, page: WirePage) -> None:
    """All exist under their own name, unless it was said otherwise; the log keeps to numbers."""
    await control.post(
        "/numbers",
        {
            "+60123456780": {"on_whatsapp": False},
            "+5511987654321": {"chat_id": "551187654321@c.us"},
        },
    )
    assert "wid" not in await page.request("exists", wid="60123456780@c.us")
    assert (await page.request("exists", wid="60123456781@c.us"))["wid"] == "60123456781@c.us"
    found = await page.request("exists", wid="5511987654321@c.us")
    assert found["wid"] == "551187654321@c.us"
    await page.send_text_and_get_ack("3EB001", found["wid"])
    assert (await control.fetch_log())[0]["to"] == "+5511987654321"


async def test_who_is_not_on_whatsapp_gets_nothing(control: SandboxControl, page: WirePage) -> None:
    """The server answers with an error, and nothing is logged as a message."""
    await control.post("/numbers", {PEER: {"on_whatsapp": False}})
    assert (await page.send_text_and_get_ack("3EB001"))["error"] == 404
    assert await control.fetch_log() == []


async def test_receipts(control: SandboxControl, page: WirePage) -> None:
    """Delivered by itself, read when somebody reads; and once only."""
    await page.send_text_and_get_ack("3EB001")
    delivered = await page.receive("receipt")
    assert (delivered["type"], delivered["ids"]) == ("delivery", ["3EB001"])
    assert await control.post("/read", {"by": PEER, "to": ME}) == {"read": 1}
    read = await page.receive("receipt")
    assert (read["type"], read["from"]) == ("read", "905551112233@c.us")
    assert await control.post("/read", {"by": PEER, "to": ME}) == {"read": 0}


async def test_what_a_page_has_not_confirmed_it_is_told_again(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """Receipts and messages alike; what it has confirmed is not."""
    await page.send_text_and_get_ack("3EB001")
    receipt = await page.receive("receipt")
    first = await control.post("/inbound", {"from": PEER, "to": ME, "body": "one"})
    assert (await page.receive("inbound"))["id"] == first["whatsapp_id"]
    async with WirePage(sandbox, "a", linked=True) as again:
        assert (await again.receive("inbound"))["body"] == "one"
        assert (await again.receive("receipt"))["ids"] == receipt["ids"]
        await again.send("inbound_confirmed", id=first["whatsapp_id"])
        await again.send(
            "receipt_confirmed", **{name: receipt[name] for name in ("type", "from", "ids")}
        )
        await again.request("exists", wid="1@c.us")
    async with WirePage(sandbox, "a", linked=True) as third:
        await third.receive("welcome")
        second = await control.post("/inbound", {"from": PEER, "to": ME, "body": "two"})
        assert (await third.receive("inbound"))["id"] == second["whatsapp_id"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/faults", {}, 400, "names no fault"),
        ("/faults", {"ack_lots": True}, 400, "there is no fault ack_lots"),
        ("/faults", {"ack_delay_ms": "1"}, 400, "ack_delay_ms: needs int"),
        ("/faults", {"ack_lost": True, "count": 0}, 400, "count"),
        ("/faults", {"logout": True, "account": "+1234567"}, 404, "no account +1234567"),
        ("/scan", {"phone": ME}, 400, "either `qr` or `pairing_code`"),
        ("/scan", {"qr": "x", "colour": 1}, 400, "colour"),
        ("/numbers", {"+60123456780": {"on_whatsap": False}}, 400, "on_whatsap"),
        ("/numbers", {"012345": {}}, 400, "matching regex"),
        ("/faults", {"ack_lost": True, "number": "012345"}, 400, "number: needs a number"),
        ("/inbound", {"from": PEER, "to": "+1234567", "body": "x"}, 404, "+1234567"),
        ("/read", {"by": PEER}, 400, "to"),
        ("/read", "not an object", 400, "Expected `object`"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    sandbox: Sandbox, path: str, body: Any, status: int, says: str
) -> None:
    """With a status and a sentence that names what is wrong, and without any effect."""
    answered, error = await refused(sandbox, path, body)
    assert answered == status
    assert says in error


async def test_reset(sandbox: Sandbox, control: SandboxControl, page: WirePage) -> None:
    """Nothing has happened: no account, no log, no fault, no number; pages show a code."""
    await page.send_text_and_get_ack("3EB001")
    await control.post("/numbers", {PEER: {"on_whatsapp": False}})
    await control.post("/faults", {"ack_lost": True})
    await control.post("/reset", {})
    await page.receive("unpaired")
    assert (await overview(sandbox))["accounts"] == []
    async with WirePage(sandbox, "a") as again:
        await control.post("/scan", {"qr": await again.read_qr()})
        await again.send_text_and_get_ack("3EB001")
    assert [row["shown"] for row in await control.fetch_log()] == [True]
