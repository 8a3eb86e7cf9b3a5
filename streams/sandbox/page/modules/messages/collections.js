/*
 * The collections of messages, chats and contacts: the models that are in memory. Nothing here sends.
 */

define("WAWebMsgCollection", (exports, require) => {
  const { ACK } = require("WAWebAck");

  class MsgCollectionImpl extends require("WAWebBaseCollection").BaseCollection {
    add(items, options) { return super.add([].concat(items), options); }

    // wa-js wraps this function. The chat is not given for messages that somebody searched for.
    processMultipleMessages(chatId, messages, options = {}) {
      return require("WAWebProcessMultipleMsgsAction")._processMultipleMessages(
        chatId, messages, options,
      );
    }

    // Always from the database, also if the chat is not restored yet.
    async getMessagesById(keys) {
      const rows = await require("WAWebDBMsgUtils").getMsgsByMsgKey(keys);
      const messages = await this.processMultipleMessages(undefined, rows, { add: "search" });
      return { messages, eof: true, canceled: false };
    }

    hasUnsentMessages() {
      return this.some((model) => model.ack === ACK.CLOCK && model.local && model.id.fromMe);
    }

    async hydrateOrGetMessages(keys) {
      await this.getMessagesById(keys.filter((key) => !this.get(key)));
      return keys.map((key) => this.assertGet(key));
    }

    // The messages around one that is in the database, or an error (source: WAWebMsgCollection.getContext).
    async getContext({ anchor, count }) {
      const { msgFindBefore, msgFindAfter } = require("WAWebDBMessageFindLocal");
      const after = await msgFindAfter({ anchor, count });
      if (after.status >= 400) throw after.status;
      if (this.get(anchor)) return [(await msgFindBefore({ anchor, count })).messages, after.messages];
      const nextKey = after.messages[0].id; // a TypeError if the anchor is the last message of its chat
      const before = await msgFindBefore({ anchor: nextKey, count: count + 1 });
      return [before.messages, after.messages];
    }
  }
  MsgCollectionImpl.model = require("WAWebMsgModel").Msg;
  exports.MsgCollection = new MsgCollectionImpl();
});

define("WAWebProcessMultipleMsgsAction", (exports, require) => {
  const { ACK } = require("WAWebAck");

  // A row of ours without an ack, of which this page has no model, was left by an earlier page: nothing
  // sends it any more (source: WAWebGetMsgUpdatesActionsUtils).
  function markUnsent(message) {
    if (!message.id.fromMe || message.ack !== ACK.CLOCK) return message;
    return { ...message, isSendFailure: true };
  }

  function updateModel(model, { id, from, to, t, ...changes }) {
    if (changes.ack < model.ack) delete changes.ack;
    model.set(changes);
  }

  // `add: "search"` puts no message into its chat.
  exports._processMultipleMessages = async (chatId, messages, options) => {
    const { MsgCollection } = require("WAWebMsgCollection");
    const { ChatCollection } = require("WAWebChatCollection");
    const chat = chatId && (await require("WAWebFindChatAction").findExistingChat(chatId));
    for (const message of messages) {
      const model = MsgCollection.get(message.id);
      if (model) updateModel(model, message);
      else MsgCollection.add({ ...markUnsent(message), search: options.add === "search" });
    }
    const models = messages.map(({ id }) => MsgCollection.get(id));
    if (!chat) return models.filter((model) => ChatCollection.get(model.id.remote));
    chat.msgs.add(models);
    return models;
  };
});

define("WAWebChatCollection", (exports, require) => {
  class ChatCollectionImpl extends require("WAWebBaseCollection").BaseCollection {}
  ChatCollectionImpl.model = require("WAWebChatModel").Chat;
  exports.ChatCollectionImpl = ChatCollectionImpl;
  exports.ChatCollection = new ChatCollectionImpl();
});

define("WAWebContactCollection", (exports, require) => {
  const Wid = require("WAWebWid").default;

  class ContactCollectionImpl extends require("WAWebBaseCollection").BaseCollection {
    // There is a contact for every id (source: WAWebContactCollection.findImpl).
    async find(id) {
      const contact = this.get(id);
      if (!contact && !(id instanceof Wid)) throw new Error(`Model id:${id} is wrong type (${typeof id})`);
      return contact || this.add({ id });
    }
  }
  ContactCollectionImpl.model = require("WAWebContactModel").default;
  exports.ContactCollectionImpl = ContactCollectionImpl;
  exports.ContactCollection = new ContactCollectionImpl();
});

define("WAWebMsgInfoCollection", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  const MsgInfo = defineModel(class MsgInfo extends BaseModel {}, "msg-info", { id: undefined });

  // Of a chat with one person, the receipts are in this page's own database.
  class MsgInfoCollection extends require("WAWebBaseCollection").BaseCollection {
    async find(key) {
      const [message] = await require("WAWebDBMsgUtils").getMsgsByMsgKey([key]);
      const receipts = (message && message.receipts) || {};
      const listMembers = (times) =>
        Object.entries(times).map(([id, t]) => ({ id: require("WAWebWidFactory").createWid(id), t }));
      const listTimes = (name) => {
        if (!receipts[name]) return [];
        return key.remote.isGroup() ? listMembers(receipts[name]) : [{ id: key.remote, t: receipts[name] }];
      };
      return {
        delivery: listTimes("delivery"), read: listTimes("read"), played: listTimes("played"),
        deliveryRemaining: 0, readRemaining: 0, playedRemaining: 0,
      };
    }
  }
  MsgInfoCollection.model = MsgInfo;
  exports.MsgInfoCollection = new MsgInfoCollection();
});

define("WAWebCollections", (exports, require) => {
  const defineGetter = (get) => ({ enumerable: true, get });
  Object.defineProperties(exports, {
    Blocklist: defineGetter(() => require("WAWebBlocklistCollection").BlocklistCollection),
    Chat: defineGetter(() => require("WAWebChatCollection").ChatCollection),
    Contact: defineGetter(() => require("WAWebContactCollection").ContactCollection),
    Msg: defineGetter(() => require("WAWebMsgCollection").MsgCollection),
  });
});
