/*
 * One chat, besides its messages: whether its person is a stranger, the typing indication, and its end. Nothing
 * here may send a message.
 */
(shared) => {
  "use strict";

  const { WPP, AdapterError, listChats, requireConnection, restrictions } = shared;

  const findContact = (chatId) => {
    const { ContactStore, WidFactory } = WPP.whatsapp;
    return ContactStore ? ContactStore.get(WidFactory.createWid(chatId)) : null;
  };

  // Without a chat, nobody has written anything. A group is nobody's chat with a stranger.
  async function is_new_chat({ chat_id }) {
    if (chat_id.endsWith("@g.us")) return { is_new: false };
    const [chat] = listChats(chat_id);
    return { is_new: restrictions.isStranger(chat || null, findContact(chat_id)) };
  }

  // The page ends an indication by itself after a short time, unless wa-js takes its timer away: so it lasts
  // until it is ended here, or until the message arrives (source: wa-js, chat.markIsComposing).
  async function set_typing({ chat_id, is_typing }) {
    requireConnection();
    const [known] = listChats(chat_id);
    // A group that the page does not have is not opened: the account may not be a member.
    if (!known && (!is_typing || chat_id.endsWith("@g.us"))) return {};
    const chat = known || (await WPP.chat.find(chat_id));
    if (!chat) throw new AdapterError("lookup_failed", "the page has no such chat");
    const id = chat.id.toString();
    await (is_typing ? WPP.chat.markIsComposing(id) : WPP.chat.markIsPaused(id));
    return {};
  }

  // Only chats that the page has: wa-js would create one that it has not, only to delete it.
  async function delete_chat({ chat_id }) {
    requireConnection();
    const chats = listChats(chat_id);
    for (const { id } of chats) {
      const { status } = await WPP.chat.delete(id.toString());
      if (status !== 200) throw new AdapterError("page_error", `the chat was not deleted (${status})`);
    }
    return { was_there: chats.length > 0 };
  }

  return { calls: { is_new_chat, set_typing, delete_chat } };
}
