/*
 * What comes from recipients' phones: receipts of our messages, and messages to the account. Each is
 * confirmed to the server only after it is stored. Nothing here may send a message.
 */

/*
 * A receipt changes the database first, and only upwards; then the model, if there is one (source:
 * WAWebHandleDirectChatReceipt, WAWebMessageReceiptBatcher). wa-js wraps this function, so it may be called
 * through the module object alone.
 */
define("WAWebHandleDirectChatReceipt", (exports, require) => {
  const { ACK_STRING } = require("WAWebAck");

  // A receipt of this account itself is about messages that others wrote, unless it has a recipient.
  function getChatId({ from, ackString, recipient }) {
    const { isMeAccount } = require("WAWebUserPrefsMeUser");
    return isMeAccount(from) || ackString === ACK_STRING.SENDER ? recipient : from;
  }

  async function applyReceipt(key, { ack, ackString, ts }) {
    const changes = await require("WAWebDBUpdateMessageTable").changeRow(key, (row) => ({
      ack: Math.max(row.ack, ack),
      receipts: { ...row.receipts, [ackString]: (row.receipts && row.receipts[ackString]) || ts },
    }));
    const model = require("WAWebMsgCollection").MsgCollection.get(key);
    if (changes && model && model.ack < changes.ack) model.ack = changes.ack;
  }

  exports.handleChatSimpleReceipt = async (receipt) => {
    const remote = getChatId(receipt);
    if (!remote) return;
    const MsgKey = require("WAWebMsgKey");
    for (const id of receipt.externalIds) {
      await applyReceipt(new MsgKey({ fromMe: true, remote, id }), receipt);
    }
  };
});

defineStubs("WAWebHandleStatusReceipt", ["handleStatusSimpleReceipt"]);

define("WAWebSandboxInbox", (exports, require) => {
  const ACKS = { delivery: 2, read: 3, played: 4 };

  // Of a group, each member reports on its own.
  exports.receiveReceipt = async ({ type, from, ids, t, participant }) => {
    const { createWid } = require("WAWebWidFactory");
    const receipt = {
      ack: ACKS[type], ackString: type, from: createWid(from), externalIds: ids,
      participant: participant ? createWid(participant) : undefined, recipient: undefined, ts: t,
    };
    if (participant) await require("WAWebHandleGroupChatReceipt").handleGroupSimpleReceipt(receipt);
    else await require("WAWebHandleDirectChatReceipt").handleChatSimpleReceipt(receipt);
    require("WAWebSandboxWire").send("receipt_confirmed", { type, from, ids, participant });
  };

  function buildQuote({ quoted, quoted_body: body }, me) {
    if (!quoted) return {};
    const quotedMsg = body === null ? undefined : { type: "chat", body };
    return { quotedStanzaID: quoted, quotedParticipant: me, quotedMsg };
  }

  function buildValues({ id, from, body, t, ...quote }) {
    const MsgKey = require("WAWebMsgKey");
    const remote = require("WAWebWidFactory").createWid(from);
    const { getMeUserMatchingAddressingModeOrThrow } = require("WAWebUserPrefsMeUser");
    const me = getMeUserMatchingAddressingModeOrThrow(remote);
    return {
      id: new MsgKey({ fromMe: false, remote, id }), from: remote, to: me, body, type: "chat", t,
      self: "in", isNewMsg: true, ack: 1,
      ...buildQuote(quote, me),
    };
  }

  // The other side has written: its token proves that to the server (source: WAWebReachoutTimelockUtils).
  async function updateChat(chat, t, token) {
    chat.set({ t, tcToken: token, tcTokenTimestamp: t, unreadCount: (chat.unreadCount || 0) + 1 });
    const { unreadCount, tcToken, tcTokenTimestamp } = chat;
    const row = { id: String(chat.id), t, unreadCount, tcToken, tcTokenTimestamp };
    await require("WAWebSandboxStorage").put("chat", row);
  }

  async function learnIds({ from, pn }) {
    const { createWid } = require("WAWebWidFactory");
    const [lid, phoneNumber] = [createWid(from), pn && createWid(pn)];
    if (!phoneNumber || !lid.isLid()) return;
    const { createLidPnMappings } = require("WAWebDBCreateLidPnMappings");
    await createLidPnMappings({ mappings: [{ lid, pn: phoneNumber }] });
  }

  exports.receiveMessage = async (inbound) => {
    const { MsgCollection } = require("WAWebMsgCollection");
    const { storeMessages, DuplicateMessageError } = require("WAWebDBProcessMessage");
    const values = buildValues(inbound);
    await learnIds(inbound);
    try {
      await storeMessages([values], values.id.remote);
      await MsgCollection.processMultipleMessages(values.from, [values], { add: "after" });
      const chat = require("WAWebChatCollection").ChatCollection.get(values.from);
      chat.lastReceivedKey = values.id;
      await updateChat(chat, values.t, `token-of-${values.from}`);
    } catch (error) {
      if (!(error instanceof DuplicateMessageError)) throw error; // a message that came twice
    }
    require("WAWebSandboxWire").send("inbound_confirmed", { id: inbound.id });
  };
});
