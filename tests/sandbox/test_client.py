"""The shipped client: what it returns, and how it fails. Other tests of this folder use it for everything else."""

import pytest

from streams.sandbox.client import (
    Overview,
    SandboxAccount,
    SandboxClient,
    SandboxRefused,
    SandboxUnreachable,
)
from tests.support.pages.wire import ME, PEER, WirePage
from tests.support.sandbox import Sandbox


async def test_each_call(sandbox: Sandbox) -> None:
    """Every call of the control interface has a method, with a typed result."""
    client = sandbox.client
    async with WirePage(sandbox, "a") as page:
        qr = await page.read_qr()
        assert client.fetch_overview() == Overview(list(sandbox.browser_args), [], [qr])
        assert client.scan(qr, ME) == ME
        await page.receive("paired")
        accounts = [SandboxAccount(phone=ME, devices=1, connected=True)]
        assert client.fetch_overview() == Overview(list(sandbox.browser_args), accounts, [])
        client.set_numbers({PEER: {"chat_id": "1@c.us"}})
        client.add_faults({"send_error": 463}, number=PEER, account=ME, count=1)
        assert (await page.send_text_and_get_ack("3EB001", "1@c.us"))["error"] == 463
        await page.send_text_and_get_ack("3EB002", "1@c.us")
        assert [row["whatsapp_id"] for row in client.fetch_log()] == ["3EB002"]
        assert client.read_messages(PEER, ME) == 1
        whatsapp_id = client.write_to_account(PEER, ME, "thanks", reply_to="3EB002")
        inbound = await page.receive("inbound")
        assert (inbound["id"], inbound["quoted"]) == (whatsapp_id, "3EB002")
        events = [row["event"] for row in client.fetch_events(after_seq=1)]
        assert events == ["numbers", "refused", "message", "read", "inbound"]
        client.add_faults({"drop_socket": True}, is_lasting=True)
        await page.wait_closed()
        client.clear_faults()
    async with WirePage(sandbox, "a", linked=True) as page:
        await page.receive("welcome")
        client.reset()
        await page.receive("unpaired")
    assert client.fetch_log() == []


async def test_a_pairing_code(sandbox: Sandbox) -> None:
    """The code links the phone that it is for."""
    async with WirePage(sandbox, "a") as page:
        code = (await page.request("pair_code", phone=ME.removeprefix("+")))["code"]
        assert sandbox.client.enter_pairing_code(code) == ME


def test_a_refusal_has_the_status_and_the_reason(sandbox: Sandbox) -> None:
    """The message is one line and names the call."""
    with pytest.raises(SandboxRefused) as refused:
        sandbox.client.scan("2@x,a,b,c")
    assert (refused.value.status, refused.value.detail[:30]) == (
        409,
        "POST /scan: no page shows this",
    )
    assert str(refused.value) == f"the sandbox refuses /scan: {refused.value.detail}"


def test_nothing_answers() -> None:
    """The message says what to start."""
    with pytest.raises(SandboxUnreachable, match="start `wa-streams sandbox`"):
        SandboxClient("http://127.0.0.1:9").fetch_log()
