"""Files: uploads that hang or fail, and what can be sent again. All tests of this file share one browser."""

import pytest

from tests.support.pages.message_page import MessagePage
from tests.support.sandbox import SandboxControl

PEER = "905551112233"
# A document through wa-js. Returns the promise of its result at once, like WhatsApp itself.
SEND_FILE = """
  const sendFile = (chat, id, text) => WPP.chat.sendFileMessage(
    chat.id, new File([text || id], "a.txt", { type: "text/plain" }),
    { type: "document", messageId: buildText(chat, id).id, waitForAck: true, markIsRead: false },
  );
  const result = async (promise) => (await promise).sendMsgResult.messageSendResult;
"""

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_hung_upload_holds_back_its_chat(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Later messages of the chat wait until the upload is cancelled; other chats do not.

    Source: WAWebSendMsgChatAction, WAWebMediaCancelUploadMsg, WAWebMediaPrep.
    """
    await message_control.add_faults({"upload_hangs": True}, count=1)
    results, model = await message_page.run(
        f"""{SEND_FILE}
        const chat = await openChat("{PEER}");
        const file = sendFile(chat, "3EB0DD01");
        await until(() => Boolean(findModel("3EB0DD01")?.mediaObject.uploadPromise));
        const [added, sent] = send(chat, "3EB0DD02");
        const other = await send(await openChat("905551112234"), "3EB0DD03")[1];
        const waiting = (await added).ack;
        findModel("3EB0DD01").cancelUpload();
        const results = [other.messageSendResult, waiting, await result(file), (await sent).messageSendResult];
        return [results, describe(findModel("3EB0DD01"))];
        """
    )
    assert results == ["OK", 0, "ERROR_CANCELLED", "OK"]
    assert (model["ack"], model["failed"]) == (-1, False)
    assert await message_control.fetch_new_ids() == ["3EB0DD03", "3EB0DD02"]


async def test_a_cancelled_file_is_resent(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Within the same life of the page, resendMsg uploads again and sends under the same id.

    Source: WAWebResendMsgAction, WAWebMediaResumeUploadMsg.
    """
    result = await message_page.run(
        'return require("WAWebResendMsgAction").resendMsg(findModel("3EB0DD01"))'
    )
    assert result == "OK"
    (row,) = await message_control.fetch_new_messages()
    assert (row["whatsapp_id"], "is_broken" in row["details"]) == ("3EB0DD01", False)


@pytest.mark.parametrize("status", [403, 413, 500])
async def test_a_refused_upload(
    message_page: MessagePage, message_control: SandboxControl, status: int
) -> None:
    """The result is ERROR_UPLOAD, the ack -1, and nothing is sent.

    Source: WAWebMediaMmsV4Upload, WAWebMediaPrep.
    """
    await message_control.add_faults({"upload_error": status}, count=1)
    result, ack = await message_page.run(
        f"""{SEND_FILE}
        const value = await result(sendFile(await openChat("{PEER}"), argument));
        return [value, findModel(argument).ack];
        """,
        f"3EB0DD1{status}",
    )
    assert (result, ack) == ("ERROR_UPLOAD", -1)
    assert await message_control.fetch_new_ids() == []


async def test_a_file_after_a_local_error(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """The model has ack -1 although the server has the file, and the database has ack 1.

    Source: WAWebMediaPrep.sendMediaMsgToChat, which sets the ack of any result but OK, in memory.
    """
    await message_control.add_faults(
        {"local_error": "after_ack", "receipt_delay_ms": 60_000}, count=1
    )
    result, ack, stored = await message_page.run(
        f"""{SEND_FILE}
        const value = await result(sendFile(await openChat("{PEER}"), "3EB0DD20"));
        const model = findModel("3EB0DD20");
        const [row] = await require("WAWebDBMsgUtils").getMsgsByMsgKey([model.id]);
        return [value, model.ack, row.ack];
        """
    )
    assert (result, ack, stored) == ("ERROR_UNKNOWN", -1, 1)
    assert await message_control.fetch_new_ids() == ["3EB0DD20"]


async def test_after_a_reload_only_an_uploaded_file_can_be_resent(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """The page no longer has the bytes: resendMsg sends what the row says, also if that is no file.

    Source: WAWebMsgModel.resumeRemoteUpload.
    """
    await message_control.add_faults({"upload_hangs": True}, count=1)
    await message_control.add_faults({"ack_lost": True}, number="+905551112236", count=1)
    await message_page.run(
        f"""{SEND_FILE}
        sendFile(await openChat("{PEER}"), "3EB0DD30");
        await until(() => findModel("3EB0DD30"));
        sendFile(await openChat("905551112236"), "3EB0DD31");
        await until(() => findModel("3EB0DD31") && findModel("3EB0DD31").directPath);
        """
    )
    await message_page.load()
    await message_page.wait_until_connected()
    await message_page.run(
        f"""
        for (const [phone, id] of [["{PEER}", "3EB0DD30"], ["905551112236", "3EB0DD31"]]) {{
          const key = buildText(await openChat(phone), id).id;
          const [model] = (await MsgCollection.getMessagesById([key])).messages;
          require("WAWebResendMsgAction").resendMsg(model);
          await until(() => model.ack >= 1);
        }}
        """
    )
    rows = await message_control.fetch_new_messages()
    broken = {row["whatsapp_id"]: row["details"].get("is_broken", False) for row in rows}
    assert broken == {"3EB0DD30": True, "3EB0DD31": False}
