/*
 * What comes from recipients' phones: receipts of our messages, and messages to the account. Each is
 * confirmed to the server only after it is stored. Nothing here may send a message.
 */

/* wa-js wraps these three, so they may be called through the module object alone. */
define("WAWebHandleMsgSimpleReceipt", (exports, require) => {
  async function applyReceipt({ ack, from, externalIds }) {
    const { MsgCollection } = require("WAWebMsgCollection");
    const MsgKey = require("WAWebMsgKey");
    for (const id of externalIds) {
      const key = new MsgKey({ fromMe: true, remote: from, id, self: "out" });
      const [model] = (await MsgCollection.getMessagesById([key])).messages;
      if (!model || model.ack >= ack) continue;
      model.set("ack", ack);
      await MsgCollection.save(model);
    }
  }
  exports.handleChatSimpleReceipt = applyReceipt;
  exports.handleGroupSimpleReceipt = (receipt) => applyReceipt(receipt);
  exports.handleStatusSimpleReceipt = (receipt) => applyReceipt(receipt);
});

define("WAWebSandboxInbox", (exports, require) => {
  const ACKS = { delivery: 2, read: 3 };

  exports.receiveReceipt = async ({ type, from, ids, t }) => {
    await require("WAWebHandleMsgSimpleReceipt").handleChatSimpleReceipt({
      ack: ACKS[type], ackString: type, from: require("WAWebWidFactory").createWid(from),
      externalIds: ids, participant: undefined, recipient: undefined, ts: t,
    });
    require("WAWebSandboxWire").send("receipt_confirmed", { type, from, ids });
  };

  function buildValues({ id, from, body, t, quoted }) {
    const MsgKey = require("WAWebMsgKey");
    const me = require("WAWebUserPrefsMeUser").getMe();
    const remote = require("WAWebWidFactory").createWid(from);
    return {
      id: new MsgKey({ fromMe: false, remote, id }), from: remote, to: me, body, type: "chat", t,
      self: "in", isNewMsg: true, ack: 1,
      ...(quoted ? { quotedStanzaID: quoted, quotedParticipant: me } : {}),
    };
  }

  exports.receiveMessage = async (inbound) => {
    const { MsgCollection } = require("WAWebMsgCollection");
    const values = buildValues(inbound);
    if (!(await MsgCollection.getMessagesById([values.id])).messages.length) {
      const [model] = await MsgCollection.processMultipleMessages(values.from, [values]);
      const chat = require("WAWebChatCollection").ChatCollection.get(values.from);
      chat.set("unreadCount", (chat.unreadCount || 0) + 1);
      await require("WAWebSandboxStorage").put("chat", { id: String(values.from) });
      await MsgCollection.save(model);
    }
    require("WAWebSandboxWire").send("inbound_confirmed", { id: inbound.id });
  };
});
