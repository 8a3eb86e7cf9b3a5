"""How the simulated page sends: keys, ids, results, resending. All tests of this file share one browser."""

import pytest

from tests.support.pages.message_page import MessagePage
from tests.support.sandbox import SandboxControl
from tests.support.waiting import wait_until

PEER = "905551112233"
ME = "905550000001"

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_chat_is_a_lid(message_page: MessagePage, message_control: SandboxControl) -> None:
    """A look-up answers the LID, the key has it without a direction, and the log has the number.

    Source: WAWebQueryExistsJob, WAWebFindChat, WAWebMsgKey.
    """
    key, is_same, pn = await message_page.run(
        f"""
        const chat = await openChat("{PEER}");
        const same = await WPP.chat.find("{PEER}@c.us");
        const [stored, sent] = send(chat, "3EB0AA01");
        await sent;
        const {{ lidPnCache }} = WPP.whatsapp;
        return [String((await stored).id), same === chat, String(lidPnCache.getPhoneNumber(chat.id))];
        """
    )
    assert key == "true_7332211155509@lid_3EB0AA01"
    assert is_same
    assert pn == f"{PEER}@c.us"
    assert [row["to"] for row in await message_control.fetch_new_messages()] == [f"+{PEER}"]


async def test_a_stored_id_is_a_duplicate(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """An id in the database is refused, also after the server's refusal, and nothing is sent.

    Source: WAWebDBProcessMessage.storeMessages.
    """
    await message_control.add_faults({"send_error": 463}, count=1)
    results = await message_page.run(
        f"""
        const chat = await openChat("{PEER}");
        const names = [];
        for (const id of ["3EB0AA02", "3EB0AA03"]) {{
          await send(chat, id)[1];
          for (const promise of send(chat, id)) await promise.catch((error) => names.push(error.name));
        }}
        return names;
        """
    )
    assert results == ["DuplicateMessageError"] * 4
    assert await message_control.fetch_new_ids() == ["3EB0AA03"]


async def test_after_a_reload_nothing_sends_but_resend(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """A row at ack 0 comes back as failed; only resendMsg sends it, under the same id.

    Source: WAWebGetMsgUpdatesActionsUtils, WAWebResendMsgAction.
    """
    await message_control.add_faults({"ack_lost": True}, count=1)
    await message_page.run(f'await send(await openChat("{PEER}"), "3EB0AA04")[0]')
    await message_page.load()
    await message_page.wait_until_connected()
    restored, result, resent = await message_page.run(
        f"""
        const chat = await openChat("{PEER}");
        const key = buildText(chat, "3EB0AA04").id;
        const [model] = (await MsgCollection.getMessagesById([key])).messages;
        const before = describe(model);
        const result = await require("WAWebResendMsgAction").resendMsg(model);
        return [before, result, describe(model)];
        """
    )
    assert (restored["ack"], restored["failed"]) == (0, True)
    assert (result, resent["ack"], resent["failed"]) == ("OK", 1, False)
    shown = [row["shown"] for row in await message_control.fetch_new_messages()]
    assert shown == [True, False]


async def test_within_one_life_the_stanza_is_sent_again(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """A message without an ack is sent again at each connection, until its ack comes. Source: WAComms."""
    await message_control.add_faults({"ack_lost": True}, count=2)
    await message_page.run(
        f'window.sentAgain = send(await openChat("{PEER}"), "3EB0AA05")[1]; return null'
    )

    for arrivals in (1, 2):

        async def has_arrived(expected: int = arrivals) -> bool:
            return len(await message_control.fetch_new_ids()) >= expected

        await wait_until(has_arrived)
        await message_control.add_faults({"drop_socket": True}, count=1)
    result = await message_page.run("return (await window.sentAgain).messageSendResult")
    assert result == "OK"
    rows = await message_control.fetch_new_messages()
    assert [row["shown"] for row in rows] == [True, False, False]


async def test_a_refusal_has_a_code_and_can_be_resent(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """The server's code is in `ackErrorCode`; the model has ack -1, and may be sent again.

    Source: WAWebSendMsgRecordAction.
    """
    await message_control.add_faults({"send_error": 463}, count=1)
    result, refused, resent = await message_page.run(
        f"""
        const [stored, sent] = send(await openChat("{PEER}"), "3EB0AA06");
        const result = await sent;
        const model = await stored;
        const refused = describe(model);
        await require("WAWebResendMsgAction").resendMsg(model);
        return [result, refused, describe(model)];
        """
    )
    assert result == {"messageSendResult": "ERROR_UNKNOWN", "ackErrorCode": 463}
    assert (refused["ack"], refused["failed"]) == (-1, True)
    assert (resent["ack"], resent["failed"]) == (1, False)
    assert await message_control.fetch_new_ids() == ["3EB0AA06"]


@pytest.mark.parametrize(
    ("fault", "result", "ack", "is_failed", "arrivals"),
    [
        ("before_ack", "ERROR_UNKNOWN", 0, True, 0),
        ("server_status", "ERROR_NETWORK", 0, True, 0),
        ("ack_unreadable", "ERROR_UNKNOWN", 0, True, 1),
        ("after_ack", "ERROR_UNKNOWN", 1, False, 1),
    ],
)
async def test_an_exception_of_the_page_has_no_code(
    message_page: MessagePage,
    message_control: SandboxControl,
    fault: str,
    result: str,
    ack: int,
    is_failed: bool,
    arrivals: int,
) -> None:
    """The result does not say whether the server has the message. Source: WAWebSendMsgRecordAction."""
    await message_control.add_faults({"local_error": fault, "receipt_delay_ms": 60_000}, count=1)
    sent, model = await message_page.run(
        f"""
        const [stored, sent] = send(await openChat("{PEER}"), argument);
        return [await sent, describe(await stored)];
        """,
        f"3EB0AA10{fault.replace('_', '')}",
    )
    assert sent == {"messageSendResult": result}
    assert (model["ack"], model["failed"]) == (ack, is_failed)
    assert len(await message_control.fetch_new_ids()) == arrivals


async def test_a_message_to_oneself(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Its key ends in a direction, and the server's ack alone makes it read.

    Source: WAWebMsgKey, WAWebSendMsgRecordAction.
    """
    model = await message_page.run(
        f"""
        const [stored, sent] = send((await WPP.chat.find("{ME}@c.us")), "3EB0AA07");
        await sent;
        return describe(await stored);
        """
    )
    assert (model["key"].split("_")[-1], model["ack"]) == ("out", 3)
    assert [row["to"] for row in await message_control.fetch_new_messages()] == [f"+{ME}"]


async def test_the_functions_of_wa_js(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Text, reply, location, contact and poll through wa-js 4.6.0. Source: its own functions."""
    results = await message_page.run(
        f"""
        const chat = await openChat("{PEER}");
        const options = (id) => ({{ messageId: buildText(chat, id).id, waitForAck: true, markIsRead: false }});
        const sent = [
          await WPP.chat.sendTextMessage(chat.id, "a", options("3EB0AA30")),
          await WPP.chat.sendTextMessage(
            chat.id, "b", {{ ...options("3EB0AA31"), quotedMsg: findModel("3EB0AA30") }},
          ),
          await WPP.chat.sendLocationMessage(
            chat.id, {{ ...options("3EB0AA32"), lat: 1, lng: 2, name: "c", address: "d" }},
          ),
          await WPP.chat.sendRawMessage(
            chat.id, {{ type: "vcard", body: "BEGIN:VCARD", vcardFormattedName: "e" }}, options("3EB0AA33"),
          ),
          await WPP.chat.sendCreatePollMessage(chat.id, "f", ["g", "h"], options("3EB0AA34")),
        ];
        const byId = await WPP.chat.getMessageById(String(findModel("3EB0AA31").id));
        return [sent.map((result) => result.sendMsgResult.messageSendResult), byId.quotedStanzaID];
        """
    )
    assert results == [["OK"] * 5, "3EB0AA30"]
    rows = await message_control.fetch_new_messages()
    assert [row["type"] for row in rows] == ["text", "text", "location", "contact", "poll"]
    assert rows[1]["reply_to"] == "3EB0AA30"


async def test_the_page_learns_from_a_refusal_that_it_is_capped(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Code 475 marks the message and the account. Source: WAWebSendMsgRecordAction."""
    await message_control.add_faults({"new_chat_cap": 100})
    await message_control.add_faults({"send_error": 475}, count=1)
    code, status = await message_page.run(
        f"""
        const limits = require("WAWebIndividualNewChatMessageCappingLimitUtils");
        await until(() => Boolean(limits.getCappingData()));
        const [added, sent] = send(await openChat("{PEER}"), "3EB0AA40");
        await sent;
        return [(await added).errorCode, limits.getCappingStatus()];
        """
    )
    assert (code, status) == ("UserReachedMaxMonthlyLimitForNewMessages", "CAPPED")
