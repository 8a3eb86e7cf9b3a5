"""The control interface that the contract describes, with pages that need no browser."""

from datetime import UTC, datetime
from typing import Any

import pytest

from streams.sandbox.client import SandboxAccount, SandboxRefused
from tests.support.pages.wire import ME, PEER, WirePage
from tests.support.sandbox import Sandbox, SandboxControl

# -- accounts and linking


async def test_overview(sandbox: Sandbox, control: SandboxControl, page: WirePage) -> None:
    """The overview has the arguments for a browser, the accounts, and the codes that are shown."""
    async with WirePage(sandbox, "b") as second:
        code = await second.read_qr()
        overview = await control.fetch_overview()
    assert overview.browser_args == list(sandbox.browser_args)
    assert overview.browser_args[0].startswith(
        "--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:"
    )
    assert overview.browser_args[1].startswith("--ignore-certificate-errors-spki-list=")
    assert overview.accounts == [SandboxAccount(phone=ME, devices=1, connected=True)]
    assert overview.qr == [code]


async def test_a_scan_links_the_given_phone(sandbox: Sandbox, control: SandboxControl) -> None:
    """Without a phone, the first one without a device is linked."""
    async with WirePage(sandbox, "a") as first, WirePage(sandbox, "b") as second:
        given_phone = await control.scan(await first.read_qr(), "+60123456789")
        chosen_phone = await control.scan(await second.read_qr())
        assert (given_phone, chosen_phone) == ("+60123456789", ME)
        assert (await first.receive("paired"))["me"] == "60123456789@c.us"


async def test_a_code_that_no_page_shows_is_refused(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """So is a code with the keys of another page in it."""
    async with WirePage(sandbox, "b") as other:
        ref, *_ = (await other.read_qr()).split(",")
        for qr in ("2@x,a,b,c", f"{ref},noise-a,identity-a,adv-a,1"):
            with pytest.raises(SandboxRefused, match="no page shows this QR code") as refused:
                await control.scan(qr)
            assert refused.value.status == 409


async def test_scan_by_pairing_code(sandbox: Sandbox, control: SandboxControl) -> None:
    """A pairing code works with or without a hyphen, and only in the phone that it is for."""
    async with WirePage(sandbox, "a") as page:
        code = (await page.request("pair_code", phone=ME.removeprefix("+")))["code"]
        with pytest.raises(SandboxRefused) as refused:
            await control.enter_pairing_code(code, "+60123456789")
        assert refused.value.status == 409
        assert refused.value.detail == f"POST /scan: the code is for {ME}"
        typed_code = f"{code[:4]}-{code[4:]}".lower()
        assert await control.enter_pairing_code(typed_code, ME) == ME
        await page.receive("paired")


async def test_a_device_stays_linked(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """A device is recognised by its key when it connects again; its earlier page gets a conflict."""
    async with WirePage(sandbox, "a", linked=True) as again:
        assert (await again.receive("welcome"))["me"] == "905550000001@c.us"
        await page.receive("conflict")
    async with WirePage(sandbox, "stranger", linked=True) as stranger:
        await stranger.receive("unpaired")


async def test_two_accounts_at_once(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """Each message belongs to its account, and its receipts go to no other."""
    async with WirePage(sandbox, "b") as second:
        await control.scan(await second.read_qr())
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
    """The log has every message in order, with the contract's fields; `after` leaves out earlier ones."""
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
    """The same recipient sees an id once; for another recipient it is another message."""
    await page.send_text_and_get_ack("3EB001")
    await page.send_text_and_get_ack("3EB001")
    await page.send_text_and_get_ack("3EB001", "+905551112244")
    assert [row["shown"] for row in await control.fetch_log()] == [True, False, True]


async def test_every_event(control: SandboxControl, page: WirePage) -> None:
    """With `event=all` the log also has links and receipts."""
    await page.send_text_and_get_ack("3EB001")
    receipt = await page.receive("receipt")
    await page.send(
        "receipt_confirmed", **{name: receipt[name] for name in ("type", "from", "ids")}
    )
    await page.request("logout")
    events = [row["event"] for row in await control.fetch_events()]
    assert events == ["linked", "message", "receipt_confirmed", "unlinked"]


async def test_a_wrong_after_is_refused(control: SandboxControl) -> None:
    """The answer is 400, with the parameter's name."""
    with pytest.raises(SandboxRefused, match="after: needs a seq") as refused:
        await control.fetch_log(after_seq=-1)
    assert refused.value.status == 400


# -- numbers and recipients


async def test_numbers(control: SandboxControl, page: WirePage) -> None:
    """A number has a LID and a phone number, unless it was given another; the log has the number.

    Source: WAWebQueryExistsJob, which answers the LID as `wid`.
    """
    await control.set_numbers(
        {
            "+60123456780": {"on_whatsapp": False},
            "+5511987654321": {"chat_id": "551187654321@c.us"},
        },
    )
    assert "wid" not in await page.request("exists", wid="60123456780@c.us")
    assert (await page.request("exists", wid="60123456781@c.us"))["wid"] == "718765432106@lid"
    answer = await page.request("exists", wid="5511987654321@c.us")
    assert (answer["wid"], answer["pn"]) == ("71234567891155@lid", "551187654321@c.us")
    await page.send_text_and_get_ack("3EB001", answer["wid"])
    assert (await control.fetch_log())[0]["to"] == "+5511987654321"


async def test_a_number_not_on_whatsapp_gets_nothing(
    control: SandboxControl, page: WirePage
) -> None:
    """The server answers with an error, and the log has no message."""
    await control.set_numbers({PEER: {"on_whatsapp": False}})
    assert (await page.send_text_and_get_ack("3EB001"))["error"] == 404
    assert await control.fetch_log() == []


async def test_receipts(control: SandboxControl, page: WirePage) -> None:
    """Delivery is automatic; a read receipt comes once, when the recipient reads."""
    await page.send_text_and_get_ack("3EB001")
    delivered = await page.receive("receipt")
    assert (delivered["type"], delivered["ids"]) == ("delivery", ["3EB001"])
    assert await control.read_messages(PEER, ME) == 1
    read = await page.receive("receipt")
    assert (read["type"], read["from"]) == ("read", "905551112233@c.us")
    assert await control.read_messages(PEER, ME) == 0


async def test_what_a_page_has_not_confirmed_is_sent_again(
    sandbox: Sandbox, control: SandboxControl, page: WirePage
) -> None:
    """Receipts and messages are sent again at a reconnect until the page has confirmed them."""
    await page.send_text_and_get_ack("3EB001")
    receipt = await page.receive("receipt")
    first_id = await control.write_to_account(PEER, ME, "one")
    assert (await page.receive("inbound"))["id"] == first_id
    async with WirePage(sandbox, "a", linked=True) as again:
        assert (await again.receive("inbound"))["body"] == "one"
        assert (await again.receive("receipt"))["ids"] == receipt["ids"]
        await again.send("inbound_confirmed", id=first_id)
        await again.send(
            "receipt_confirmed", **{name: receipt[name] for name in ("type", "from", "ids")}
        )
        await again.request("exists", wid="1@c.us")
    async with WirePage(sandbox, "a", linked=True) as third:
        await third.receive("welcome")
        second_id = await control.write_to_account(PEER, ME, "two")
        assert (await third.receive("inbound"))["id"] == second_id


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
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
async def test_a_wrong_request_is_refused(
    control: SandboxControl, path: str, body: Any, status: int, detail: str
) -> None:
    """The answer has a status and a sentence that names what is wrong."""
    with pytest.raises(SandboxRefused) as refused:
        await control.post(path, body)
    assert refused.value.status == status
    assert detail in refused.value.detail


async def test_reset(sandbox: Sandbox, control: SandboxControl, page: WirePage) -> None:
    """After a reset there is no account, message, fault or number, and pages show a code."""
    await page.send_text_and_get_ack("3EB001")
    await control.set_numbers({PEER: {"on_whatsapp": False}})
    await control.add_faults({"ack_lost": True})
    await control.reset()
    await page.receive("unpaired")
    assert (await control.fetch_overview()).accounts == []
    async with WirePage(sandbox, "a") as again:
        await control.scan(await again.read_qr())
        await again.send_text_and_get_ack("3EB001")
    assert [row["shown"] for row in await control.fetch_log()] == [True]
