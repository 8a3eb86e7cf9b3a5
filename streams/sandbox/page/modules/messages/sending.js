/*
 * Sending, as WhatsApp Web offers it: messages, reactions, typing. It stores a message and gives it to
 * the outbox; it may not speak to the server about a message itself.
 */

defineStubs("WAWebGetEphemeralFieldsMsgActionsUtils", ["getEphemeralFields"], {});

define("WAWebMsgReply", (exports) => {
  exports.canReplyMsg = (message) => message.ack >= 0 || !message.id.fromMe;
});

/*
 * WhatsApp's contract: an array of two promises, returned at once. The first is fulfilled when the message
 * is in the stores with ack 0, the second when the server has answered.
 */
define("WAWebSendMsgChatAction", (exports, require) => {
  exports.addAndSendMsgToChat = (chat, values) => {
    const { MsgCollection } = require("WAWebMsgCollection");
    const model = MsgCollection.addToChat(values);
    const stored = MsgCollection.save(model).then(() => model);
    return [stored, stored.then(() => require("WAWebSandboxOutbox").send(model))];
  };
  exports.sendTextMsgToChat = () => {};
});

define("WAWebSendMessageEditAction", (exports) => {
  exports.addAndSendMessageEdit = async () => {};
});

define("WAWebSendReactionMsgAction", (exports, require) => {
  exports.sendReactionToMsg = async (message, reaction) => {
    const MsgKey = require("WAWebMsgKey");
    const from = require("WAWebUserPrefsMeUser").getMaybeMePnUser();
    const to = message.id.remote;
    const id = new MsgKey({ from, to, id: await MsgKey.newId(), selfDir: "out" });
    const chat = require("WAWebChatCollection").ChatCollection.get(to);
    const [, sent] = require("WAWebSendMsgChatAction").addAndSendMsgToChat(chat, {
      id, from, to, type: "reaction", body: reaction, self: "out", ack: 0,
      t: require("WATimeUtils").unixTime(), quotedStanzaID: message.id.id,
    });
    return sent;
  };
});

define("WAWebUpdateUnreadChatAction", (exports) => {
  exports.markUnread = async () => {};
  exports.sendSeen = async ({ chat }) => {
    chat.set("unreadCount", 0);
    return { status: 200 };
  };
});

define("WAWebChatSeenPlayed", (exports) => {
  exports.markPlayed = async () => {};
  exports.canMarkPlayed = () => false;
});

define("WAWebChatPresence", (exports, require) => {
  const sendState = (state) => async () => { require("WAWebSandboxWire").send("chatstate", { state }); };
  exports.markComposing = sendState("composing");
  exports.markPaused = sendState("paused");
  exports.markRecording = sendState("recording");
});

define("WAWebGetMessageSearchContext", (exports, require) => {
  exports.getSearchContext = (query) => {
    const { MsgCollection } = require("WAWebMsgCollection");
    const collection = {
      loadAroundPromise: MsgCollection.getMessagesById([query.msgKey]),
      get: (key) => MsgCollection.get(key),
    };
    return { collection, key: query.msgKey, highlightMsg: true };
  };
});
