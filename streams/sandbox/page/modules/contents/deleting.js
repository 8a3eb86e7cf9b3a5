/*
 * A person deletes a chat: it leaves the lists of this page, and its messages the database. The server's part is
 * made up: nothing is sent to it, and the account's phone keeps its own copy here.
 */
define("WAWebDeleteChatAction", (exports, require) => {
  const deleteRows = (table, chatId) => {
    const request = table.openCursor();
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor) return;
      if (cursor.value.chatId === chatId) cursor.delete();
      cursor.continue();
    };
  };

  async function deleteChat(chat) {
    const id = String(chat.id);
    await require("WAWebSandboxStorage").transact(["message", "chat"], "readwrite", (messages, chats) => {
      deleteRows(messages, id);
      chats.delete(id);
    });
    const { MsgCollection } = require("WAWebMsgCollection");
    for (const model of MsgCollection.filter((each) => String(each.id.remote) === id)) MsgCollection.remove(model);
    require("WAWebChatCollection").ChatCollection.remove(chat);
    return { status: 200 };
  }

  // wa-js waits for the promise that the chat keeps (source: wa-js, chat.delete).
  exports.sendDelete = (chat) => {
    chat.promises = { ...chat.promises, sendDelete: deleteChat(chat) };
    return chat.promises.sendDelete;
  };
});
