"""Receipts, late acks, and what has been written to the account. All tests of this file share one browser."""

import pytest

from tests.support.pages.message_page import MessagePage
from tests.support.sandbox import SandboxControl
from tests.support.waiting import wait_until

PEER = "905551112233"

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_receipt_proves_delivery(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """It raises the ack of a message whose own ack was lost, and of one that failed in the page.

    Source: WAWebHandleDirectChatReceipt, WAWebMessageReceiptBatcher.
    """
    await message_control.add_faults({"ack_lost": True, "receipts_unacked": True}, count=1)
    await message_control.add_faults({"local_error": "ack_unreadable"}, number="+905551112234")
    models = await message_page.run(
        f"""
        const models = [];
        for (const [phone, id] of [["{PEER}", "3EB0BB01"], ["905551112234", "3EB0BB02"]]) {{
          const model = await send(await openChat(phone), id)[0];
          await until(() => model.ack === 2);
          models.push(describe(model));
        }}
        return models;
        """
    )
    assert [(model["ack"], model["failed"]) for model in models] == [(2, False), (2, True)]


async def test_receipts_come_twice_and_in_the_wrong_order(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """An ack only rises, in the model and in the database.

    Source: WAWebMessageReceiptBatcher.
    """
    await message_control.add_faults({"receipts_repeated": True, "receipts_reordered": True})
    acks, calls, stored = await message_page.run(
        f"""
        const [acks, calls] = [[], []];
        WPP.on("chat.msg_ack_change", ({{ ack, ids }}) => {{
          if (String(ids[0]).includes("3EB0BB03")) calls.push(ack);
        }});
        const chat = await openChat("{PEER}");
        const [added, sent] = send(chat, "3EB0BB03");
        const model = await added;
        model.on("change:ack", () => acks.push(model.ack));
        await sent;
        await until(() => calls.length >= 5);
        const rows = await require("WAWebDBMsgUtils").getMsgsByMsgKey([model.id]);
        return [acks, calls, rows[0].ack];
        """
    )
    assert acks == [1, 3]
    assert sorted(calls) == [1, 2, 2, 3, 3]
    assert stored == 3


async def test_the_ack_comes_after_a_reconnect(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """A late ack on a new connection belongs to the same promise. Source: WAComms."""
    await message_control.add_faults({"ack_delay_ms": 60_000}, count=1)
    await message_page.run(f'window.late = send(await openChat("{PEER}"), "3EB0BB04"); return null')
    await wait_until(message_control.fetch_new_ids)
    await message_control.add_faults({"drop_socket": True}, count=1)
    result = await message_page.run(
        "const [stored, sent] = window.late; return [(await sent).messageSendResult, (await stored).ack]"
    )
    assert result[0] == "OK"
    assert result[1] >= 1
    rows = await message_control.fetch_new_messages()
    assert [row["shown"] for row in rows if row["whatsapp_id"] == "3EB0BB04"] == [True, False]


async def test_a_chat_has_a_token_once_the_other_side_has_written(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Without it, a time-locked account may not write there; it outlives the page.

    Source: WAWebReachoutTimelockUtils, WAWebChatModel.getTcToken.
    """
    phone = "905551112235"
    has_token = f'return Boolean((await openChat("{phone}")).getTcToken())'
    assert not await message_page.run(has_token)
    await message_control.write_to_account(f"+{phone}", "+905550000001", "hi")
    await message_page.run(
        f'const chat = await openChat("{phone}"); await until(() => chat.getTcToken())'
    )
    await message_page.load()
    await message_page.wait_until_connected()
    assert await message_page.run(has_token)


async def test_times_of_receipts(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """getMessageACK answers from this page's own database. Source: WAWebMsgInfoCollection."""
    participants = await message_page.run(
        f"""
        const chat = await openChat("{PEER}");
        const [added, sent] = send(chat, "3EB0BB05");
        await sent;
        const model = await added;
        await until(() => model.ack === 2);
        return (await WPP.chat.getMessageACK(String(model.id))).participants;
        """
    )
    assert [bool(participant["deliveredAt"]) for participant in participants] == [True]
