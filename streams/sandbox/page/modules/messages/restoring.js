/*
 * After a reload: which chats and messages come back from the database, when, and how a message that is not
 * in memory is searched for. Nothing here may send or change a message.
 */

/*
 * Every chat is in its collection at once, with the mark `pendingInitialLoading`. Its last messages come in
 * batches: the first before MAIN, the others after the offline delivery (source: WAWebRestoreChatsAndMessages).
 */
define("WAWebRestoreChatsAndMessages", (exports, require) => {
  const MAX_UNREAD = 20;
  const sleep = (duration_ms) => new Promise((resolve) => { setTimeout(resolve, duration_ms); });

  async function loadChats() {
    const { ChatCollection } = require("WAWebChatCollection");
    const { createWid } = require("WAWebWidFactory");
    const rows = await require("WAWebSandboxStorage").getAll("chat");
    rows.sort((first, second) => (second.t || 0) - (first.t || 0));
    return rows.map((row) =>
      ChatCollection.add({ ...row, id: createWid(row.id), pendingInitialLoading: true }));
  }

  async function restoreChat(chat) {
    const count = 1 + Math.min(chat.unreadCount || 0, MAX_UNREAD);
    const { msgFindBefore } = require("WAWebDBMessageFindLocal");
    const { messages } = await msgFindBefore({ anchor: { remote: chat.id }, count });
    const options = { add: "last", isHistory: true };
    const { MsgCollection } = require("WAWebMsgCollection");
    const models = await MsgCollection.processMultipleMessages(chat.id, messages, options);
    const last = models[models.length - 1];
    chat.set({ pendingInitialLoading: false, lastReceivedKey: last && last.id });
  }

  async function restoreLater(chats, batchSize) {
    const pause_ms = SETTINGS.restore_ms / Math.ceil(chats.length / batchSize);
    await require("WAWebEventsWaitForOfflineDeliveryEnd").waitForOfflineDeliveryEnd();
    for (let index = 0; index < chats.length; index += batchSize) {
      await sleep(pause_ms);
      await Promise.all(chats.slice(index, index + batchSize).map(restoreChat));
    }
  }

  exports.restoreChatsAndMessages = async () => {
    await require("WAWebApiContact").warmUpAllLidPnMappings();
    const chats = await loadChats();
    const batchSize = SETTINGS.restored_before_main;
    await Promise.all(chats.slice(0, batchSize).map(restoreChat));
    if (chats.length > batchSize) restoreLater(chats.slice(batchSize), batchSize);
  };
});

define("WAWebChatMessageSearch", (exports, require) => {
  const COUNT = 33;
  const sleep = (duration_ms) => new Promise((resolve) => { setTimeout(resolve, duration_ms); });

  // Four attempts take 8 s on the real page. A message that is not in the database is known at once
  // (source: WAWebChatLoadMessages).
  async function loadAround(chat, msgKey, collection) {
    const { MsgCollection } = require("WAWebMsgCollection");
    try {
      const lists = await MsgCollection.getContext({ anchor: msgKey, count: COUNT });
      const options = { add: "search", isHistory: true };
      const models = await MsgCollection.processMultipleMessages(undefined, lists.flat(), options);
      collection.add(models);
    } catch (error) {
      if (error !== 404) await sleep(SETTINGS.search_give_up_ms);
    }
  }

  // wa-js counts the parameters of this function.
  exports.getSearchContext = (query) => {
    const { chat, msgKey } = query;
    const msg = require("WAWebMsgCollection").MsgCollection.get(msgKey);
    const { ChatMsgsCollection } = require("WAWebChatMsgsCollection");
    const collection = msg && chat.msgs.get(msgKey) ? chat.msgs : new ChatMsgsCollection();
    if (msg) collection.add(msg);
    if (!collection.msgLoadState.contextLoaded) {
      collection.loadAroundPromise = loadAround(chat, msgKey, collection);
    }
    return { collection, msg, key: msgKey, highlightMsg: true };
  };
});
