"""Reactions, look-ups and the restore after a reload. All tests of this file share one browser."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.pages.message_page import MessagePage
from tests.support.sandbox import Sandbox, SandboxControl, run_sandbox

PEER = "905551112233"
GIVE_UP_MS = 1000
SETTINGS = ("--set=restored_before_main=2", f"--set=search_give_up_ms={GIVE_UP_MS}")
# Two chats are restored before MAIN, the others after the offline delivery: not before it is ended.
LONG_DELIVERY = {"offline_delivery_ms": 60_000}

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def module_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The module's sandbox: two chats are restored before MAIN."""
    with run_sandbox(tmp_path_factory.mktemp("sandbox"), *SETTINGS) as (sandbox, _):
        yield sandbox


@pytest_asyncio.fixture(loop_scope="module")
async def chats(
    message_page: MessagePage, message_control: SandboxControl
) -> AsyncIterator[list[str]]:
    """Four chats with two messages each, the first was used last. The offline delivery runs after a reload."""
    phones = [f"90555111223{number}" for number in range(4)]
    await message_page.run(
        """
        for (const phone of argument.toReversed()) {
          const chat = await openChat(phone);
          for (const n of [1, 2]) {
            const values = buildText(chat, `3EB0EE${phone}${n}`);
            if (await require("WAWebSandboxStorage").get("message", String(values.id))) continue;
            await require("WAWebSendMsgChatAction").addAndSendMsgToChat(chat, values)[1];
          }
          await require("WAWebSandboxStorage").put("chat", { id: String(chat.id), t: 9 - argument.indexOf(phone) });
        }
        """,
        phones,
    )
    await message_control.add_faults(LONG_DELIVERY, count=1)
    await message_page.load()
    await message_page.wait_until_connected()
    yield phones
    await end_delivery(message_page, message_control)


async def end_delivery(page: MessagePage, control: SandboxControl) -> None:
    """Connect again, without the long delivery."""
    await control.add_faults({"drop_socket": True}, count=1)
    await page.run(
        'await require("WAWebEventsWaitForOfflineDeliveryEnd").waitForOfflineDeliveryEnd()'
    )


FIND = """
  const [phone, n] = argument;
  const chat = await openChat(phone);
  const key = buildText(chat, `3EB0EE${phone}${n}`).id;
"""


async def test_only_the_first_chats_are_restored_before_main(
    message_page: MessagePage, message_control: SandboxControl, chats: list[str]
) -> None:
    """Every chat is in the collection, and the last messages of the others come later.

    Source: WAWebRestoreChatsAndMessages.
    """
    list_chats = (
        "return ChatCollection.map((chat) => [chat.pendingInitialLoading, chat.msgs.length])"
    )
    before = await message_page.run(list_chats)
    await end_delivery(message_page, message_control)
    await message_page.run(
        "await until(() => ChatCollection.map((chat) => chat.pendingInitialLoading).every((x) => !x))"
    )
    after = await message_page.run(list_chats)
    assert sorted(before) == [[False, 1], [False, 1], [True, 0], [True, 0]]
    assert after == [[False, 1]] * 4


async def test_the_last_message_of_a_chat_that_is_not_restored(
    message_page: MessagePage, chats: list[str]
) -> None:
    """The search for it gives up, while getMessagesById answers at once; an earlier one is found.

    Source: WAWebMsgCollection.getContext, WAWebChatLoadMessages.
    """
    last, earlier = [chats[3], 2], [chats[3], 1]
    code, gave_up_ms = await message_page.run(
        f"""{FIND}
        const start = performance.now();
        const code = await WPP.chat.getMessageById(key).then(() => "found", (error) => error.code);
        return [code, performance.now() - start];
        """,
        last,
    )
    found, by_id = await message_page.run(
        f"""{FIND}
        const found = (await WPP.chat.getMessageById(key)).ack;
        const lastKey = buildText(chat, `3EB0EE${{phone}}2`).id;
        return [found, (await MsgCollection.getMessagesById([lastKey])).messages[0].ack];
        """,
        earlier,
    )
    assert (code, found >= 1, by_id >= 1) == ("msg_not_found", True, True)
    assert gave_up_ms >= GIVE_UP_MS


async def test_an_id_that_does_not_exist_is_not_waited_for(
    message_page: MessagePage, chats: list[str]
) -> None:
    """The search ends at once. Source: WAWebDBMessageFindLocal, WAWebChatLoadMessages (404)."""
    code, waited_ms = await message_page.run(
        f"""{FIND}
        const start = performance.now();
        const code = await WPP.chat.getMessageById(key).catch((error) => error.code);
        return [code, performance.now() - start];
        """,
        [chats[2], 9],
    )
    assert code == "msg_not_found"
    assert waited_ms < GIVE_UP_MS


async def test_a_duplicate_leaves_a_model_that_cannot_be_resent(
    message_page: MessagePage, chats: list[str]
) -> None:
    """A submit of a stored id, without a look-up before, puts a model with ack 0 in memory.

    The look-up after it corrects the ack, and not `isSendFailure`. Source: WAWebSendMsgChatAction.
    """
    await message_page.run(f"{FIND} await send(chat, key.id)[0].catch(() => null)", [chats[2], 1])
    before, after = await message_page.run(
        f"""{FIND}
        const before = MsgCollection.get(key).ack;
        await MsgCollection.getMessagesById([key]);
        return [before, MsgCollection.get(key).ack];
        """,
        [chats[2], 1],
    )
    assert before == 0
    assert after >= 1


async def test_a_reaction_has_its_own_id(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """The page chooses it, and knows the reaction by its message alone.

    Source: WAWebSendReactionMsgAction, WAWebAddonSendProcess.
    """
    result, by_id, reactions = await message_page.run(
        f"""
        const [added, sent] = send(await openChat("{PEER}"), "3EB0EE01");
        await sent;
        const model = await added;
        const result = await WPP.chat.sendReactionToMessage(model, "👍");
        const reactions = await WPP.chat.getReactions(String(model.id));
        const MsgKey = require("WAWebMsgKey");
        const key = MsgKey.from(reactions.reactions[0].senders[0].id);
        const byId = (await MsgCollection.getMessagesById([key])).messages.length;
        return [result.sendMsgResult ?? null, byId, reactions.reactionByMe.reactionText];
        """
    )
    assert (result, by_id, reactions) == (None, 0, "👍")
    text, reaction = await message_control.fetch_new_messages()
    assert (reaction["type"], reaction["body"]) == ("reaction", "👍")
    assert reaction["reply_to"] == text["whatsapp_id"] != reaction["whatsapp_id"]


async def test_a_refused_reaction_throws(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """Neither a code nor a result: the promise is rejected. Source: WAWebSendReactionMsgAction."""
    await message_page.run(f'await send(await openChat("{PEER}"), "3EB0EE02")[1]')
    await message_control.add_faults({"send_error": 463}, count=1)
    message = await message_page.run(
        """
        const model = findModel("3EB0EE02");
        return WPP.chat.sendReactionToMessage(model, "👍").catch((error) => error.message);
        """
    )
    assert message == "Reaction send error"
