/*
 * Receipts of our messages, from recipients' phones. Each is confirmed to the server only after it is stored.
 * Nothing here may send a message.
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

define("WAWebSandboxReceipts", (exports, require) => {
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
});
