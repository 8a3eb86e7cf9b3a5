/* ---------- receipts: what recipients' phones say of our messages ---------- */

/* wa-js wraps these three, so they are called through the module object alone. */
define("WAWebHandleMsgSimpleReceipt", (exports, require) => {
  async function apply({ ack, from, externalIds }) {
    const { MsgCollection } = require("WAWebMsgCollection");
    const MsgKey = require("WAWebMsgKey");
    for (const id of externalIds) {
      const key = new MsgKey({ fromMe: true, remote: from, id, self: "out" });
      const [model] = (await MsgCollection.getMessagesById([key])).messages;
      if (!model || model.ack >= ack) continue;
      model.set("ack", ack);
      await MsgCollection.keep(model);
    }
  }
  exports.handleChatSimpleReceipt = apply;
  exports.handleGroupSimpleReceipt = (receipt) => apply(receipt);
  exports.handleStatusSimpleReceipt = (receipt) => apply(receipt);
});

/* Ours: what comes over the wire, until it is stored and confirmed. */
define("WAWebSandboxInbox", (exports, require) => {
  const ACKS = { delivery: 2, read: 3 };

  exports.receipt = async ({ type, from, ids, t }) => {
    await require("WAWebHandleMsgSimpleReceipt").handleChatSimpleReceipt({
      ack: ACKS[type], ackString: type, from: require("WAWebWidFactory").createWid(from),
      externalIds: ids, participant: undefined, recipient: undefined, ts: t,
    });
    require("WAWebSandboxWire").send("receipt_confirmed", { type, from, ids });
  };

  function values({ id, from, body, t, quoted }) {
    const MsgKey = require("WAWebMsgKey");
    const me = require("WAWebUserPrefsMeUser").getMe();
    const remote = require("WAWebWidFactory").createWid(from);
    return {
      id: new MsgKey({ fromMe: false, remote, id }), from: remote, to: me, body, type: "chat", t,
      self: "in", isNewMsg: true, ack: 1,
      ...(quoted ? { quotedStanzaID: quoted, quotedParticipant: me } : {}),
    };
  }

  exports.message = async (said) => {
    const { MsgCollection } = require("WAWebMsgCollection");
    const raw = values(said);
    if (!(await MsgCollection.getMessagesById([raw.id])).messages.length) {
      const [model] = await MsgCollection.processMultipleMessages(raw.from, [raw]);
      const chat = require("WAWebChatCollection").ChatCollection.get(raw.from);
      chat.set("unreadCount", (chat.unreadCount || 0) + 1);
      await require("WAWebSandboxStorage").put("chat", { id: String(raw.from) });
      await MsgCollection.keep(model);
    }
    require("WAWebSandboxWire").send("inbound_confirmed", { id: said.id });
  };
});
