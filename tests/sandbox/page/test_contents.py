"""Contact cards, edits, deletions, forwarded messages and files, as the modules of the real page do them.

Foreign clients use them (tests/peers); our own adapter sends none of these but cards and files.
"""

import json
from typing import Any

import pytest

from tests.support.pages.message_page import MessagePage
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_PHONE = "60123456789"
_SEND = f"""
  const chat = await openChat("{_PHONE}");
  const [added, sent] = send(chat, argument, "before");
  await sent;
  const model = await added;
"""


async def _find_row(control: SandboxControl, type_: str) -> dict[str, Any]:
    rows = await control.fetch_new_messages()
    return next(row for row in rows if row["type"] == type_)


async def test_a_contact_becomes_a_card_with_its_number(message_page: MessagePage) -> None:
    """The number is in the card although the chat has a LID (source: WAWebFrontendVcardUtils)."""
    card = await message_page.run(
        f"""
        const {{ id }} = await openChat("{_PHONE}");
        const contact = await require("WAWebContactCollection").ContactCollection.find(id);
        return require("WAWebFrontendVcardUtils").vcardFromContactModel(contact).vcard;
        """
    )
    assert f"TEL;type=CELL;waid={_PHONE}:+{_PHONE}" in card


async def test_a_card_is_read(message_page: MessagePage) -> None:
    """Folded lines and properties are read; a text without an end is no card (source: WAWebVcardParsingUtils)."""
    text = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Nur\r\n  Aisyah\r\nTEL;waid=6012:+60 12\r\n"
        "X-WA-BIZ-NAME:Shop\r\nEND:VCARD"
    )
    number, service, name, broken = await message_page.run(
        """
        const { parseVcard } = require("WAWebVcardParsingUtils");
        const card = parseVcard(argument);
        const { vcardGetNameFromParsed } = require("WAWebVcardGetNameFromParsed");
        const name = vcardGetNameFromParsed(card);
        return [card.TEL[0], card.SERVICE[0], name, parseVcard("BEGIN:VCARD\\nFN:x\\ny") ?? null];
        """,
        text,
    )
    assert number == {
        "type": "TEL",
        "index": 3,
        "value": "+60 12",
        "properties": {"waid": ["6012"]},
    }
    assert (service["type"], service["value"]) == ("WA-BIZ-NAME", "Shop")
    assert (name, broken) == ("Nur Aisyah", None)


async def test_an_edit_is_a_message_that_names_the_edited_one(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """The edited message keeps its id and gets the new text (source: WAWebSendMessageEditAction)."""
    body = await message_page.run(
        _SEND
        + """
        await require("WAWebSendMessageEditAction").sendMessageEdit(model, " after ", {});
        return (await MsgCollection.getMessagesById([model.id])).messages[0].body;
        """,
        "3EB0EDIT01",
    )
    row = await _find_row(message_control, "edit")
    assert (body, row["body"], row["details"]["target"]) == ("after", "after", "3EB0EDIT01")


async def test_a_message_without_an_ack_cannot_be_edited(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Source: WAWebMsgActionCapability, where a message that may still fail is not editable."""
    await message_control.add_faults({"ack_lost": True}, count=1)
    error = await message_page.run(
        f"""
        const model = await send(await openChat("{_PHONE}"), argument)[0];
        return require("WAWebSendMessageEditAction").sendMessageEdit(model, "after", {{}}).catch(String);
        """,
        "3EB0EDIT02",
    )
    assert "Cannot edit message" in error


async def test_a_deletion_takes_the_place_of_the_message(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Afterwards the message has the deletion's key, in memory and on disk (source: WAWebRevokeMsgAction)."""
    found = await message_page.run(
        _SEND
        + """
        const oldKey = model.id;
        require("WAWebCmd").Cmd.sendRevokeMsgs(chat, { type: "message", list: [model] }, { clearMedia: true });
        await until(() => model.type === "revoked");
        const stored = await require("WAWebDBMsgUtils").getMsgsByMsgKey([oldKey, model.id]);
        const isFound = [oldKey, model.id].map((key) => Boolean(chat.msgs.get(key)));
        return { isFound, types: stored.map(({ type }) => type), id: model.id.id };
        """,
        "3EB0REVOKE01",
    )
    row = await _find_row(message_control, "revoke")
    assert (found["isFound"], found["types"]) == ([False, True], ["revoked"])
    assert (row["whatsapp_id"], row["details"]["target"]) == (found["id"], "3EB0REVOKE01")


async def test_a_forwarded_message_has_an_id_of_its_own(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """It has the text, and neither the id nor the quote of the original (source: WAWebChatForwardMessage)."""
    await message_page.run(
        _SEND
        + """
        const other = await openChat("60123456780");
        await require("WAWebChatForwardMessage").forwardMessages({ chat: other, msgs: [model] });
        """,
        "3EB0FORWARD01",
    )
    rows = await message_control.fetch_new_messages()
    assert [(row["to"], row["body"]) for row in rows] == [
        (f"+{_PHONE}", "before"),
        ("+60123456780", "before"),
    ]
    assert rows[1]["whatsapp_id"] != "3EB0FORWARD01"


async def test_what_is_prepared_of_a_file_has_its_hash(message_page: MessagePage) -> None:
    """Source: WAWebProcessRawMedia. The type follows from the options, then from the file's own type."""
    prepared = await message_page.run(
        """
        const { prepRawMedia } = require("WAWebPrepRawMedia");
        const prepare = async (type, options) => {
          const data = await importDefault("WAWebMediaOpaqueData").createFromData(new Blob(["x"]), type);
          const { filehash, type: kind, size } = await prepRawMedia(data, options).waitForPrep();
          return [kind, size, filehash.length];
        };
        return [
          await prepare("audio/ogg", { isPtt: true }), await prepare("application/pdf", {}),
          await prepare("image/png", { asDocument: true }), await prepare("video/mp4", {}),
        ];
        """
    )
    assert prepared == [["ptt", 1, 64], ["document", 1, 64], ["document", 1, 64], ["video", 1, 64]]


async def test_require_returns_a_lone_default_export(message_page: MessagePage) -> None:
    """Clients call `new (require("WAWebMsgKey"))`.

    Source: whatsapp-web.js, which uses every module that has only a default in this way.
    """
    kinds = await message_page.run(
        """
        const names = ["WAWebMsgKey", "WAWebMediaOpaqueData", "WAWebUploadManager", "WAWebMsgCollection"];
        return names.map((name) => typeof require(name).default);
        """
    )
    assert kinds == ["undefined"] * 4, json.dumps(kinds)
