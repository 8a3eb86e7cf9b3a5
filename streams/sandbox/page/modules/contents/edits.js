/*
 * Edits: a sent message gets another text. An edit is a message of its own, with the key of the one that it
 * changes. Nothing here speaks to the server.
 */

/* Source: WAWebMsgActionCapability. Only what this page itself has sent can be edited, after its ack. */
define("WAWebMsgActionCapability", (exports, require) => {
  const REVOKE_WINDOW_S = 2.5 * 24 * 60 * 60;
  const EDIT_WINDOW_S = 20 * 60;
  const CAPTION_TYPES = new Set(["image", "video", "document"]);

  const ageS = (message) => require("WATimeUtils").unixTime() - message.t;
  const isSent = (message) => message.ack >= require("WAWebAck").ACK.SENT;
  const isRevoked = (message) => message.type === "revoked" || message.type === "protocol";

  const canEdit = (message) =>
    Boolean(message.id.fromMe && message.local && !message.isForwarded) && isSent(message) &&
    ageS(message) < EDIT_WINDOW_S;

  exports.canEditText = (message) => message.type === "chat" && canEdit(message);
  exports.canEditCaption = (message) =>
    CAPTION_TYPES.has(message.type) && Boolean(message.caption) && canEdit(message);
  exports.canSenderRevokeMsg = (message) =>
    message.id.fromMe && !isRevoked(message) && !message.isUnsentPhoneMsg() && ageS(message) <= REVOKE_WINDOW_S;
  exports.canAdminRevokeMsg = () => false; // only the administrator of a group can
  exports.canForwardMsg = (message) => !isRevoked(message);
  exports.canStarMsg = (message) => !isRevoked(message) && (!message.id.fromMe || isSent(message));
});

/* Source: WAWebSendMessageEditAction. The message itself keeps its id, and shows that it failed if the edit did. */
define("WAWebSendMessageEditAction", (exports, require) => {
  async function storeEdit(message, data) {
    await require("WAWebDBProcessMessage").storeMessages([data], message.id.remote);
    await require("WAWebProcessAddonsJob").processEditProtocolMsgsJob([data]);
  }

  async function sendEdit(message, edit) {
    const { messageSendResult } = await require("WAWebSendMsgRecordAction").sendMsgRecord(edit);
    const { SendMsgResult } = require("WAWebSendMsgResultAction");
    if (messageSendResult === SendMsgResult.OK) message.updateAck(edit.ack);
    message.set("isSendFailure", messageSendResult !== SendMsgResult.OK);
  }

  exports.createEditMsgData = async ({ msg, text, options }) => {
    const MsgKey = require("WAWebMsgKey");
    const { unixTime, unixTimeMs } = require("WATimeUtils");
    const id = new MsgKey({ id: await MsgKey.newId(), remote: msg.id.remote, fromMe: true });
    return {
      id, from: msg.from, to: msg.id.remote, type: "protocol", subtype: "message_edit",
      protocolMessageKey: msg.id, local: true, ack: require("WAWebAck").ACK.CLOCK, t: unixTime(),
      mentionedJidList: options && options.mentionedJidList, latestEditMsgKey: id,
      latestEditSenderTimestampMs: unixTimeMs(), editMsgType: msg.type,
      [msg.type === "chat" ? "body" : "caption"]: text.trim(),
    };
  };

  exports.addAndSendMessageEdit = async (message, data) => {
    const edit = new (require("WAWebMsgModel").Msg)(data);
    await storeEdit(message, data);
    await sendEdit(message, edit);
  };

  exports.sendMessageEdit = async (message, text, options) => {
    const { canEditText, canEditCaption } = require("WAWebMsgActionCapability");
    if (!canEditText(message) && !canEditCaption(message)) throw new Error("Cannot edit message");
    const data = await exports.createEditMsgData({ msg: message, text, options });
    await exports.addAndSendMessageEdit(message, data);
  };
});

/* What an edit changes in the database and in memory, before it is sent (source: WAWebDBProcessEditProtocolMsgs). */
define("WAWebProcessAddonsJob", (exports, require) => {
  exports.processEditProtocolMsgsJob = async (edits) => {
    for (const { protocolMessageKey, body, caption, ...edit } of edits) {
      const changes = edit.editMsgType === "chat" ? { body } : { caption };
      await require("WAWebDBUpdateMessageTable").updateMessageTable(protocolMessageKey, {
        ...changes, latestEditMsgKey: String(edit.latestEditMsgKey),
        latestEditSenderTimestampMs: edit.latestEditSenderTimestampMs,
      });
      const model = require("WAWebMsgCollection").MsgCollection.get(protocolMessageKey);
      const { latestEditMsgKey, latestEditSenderTimestampMs } = edit;
      if (model) model.set({ ...changes, latestEditMsgKey, latestEditSenderTimestampMs });
    }
  };
});
