/*
 * Deleting for everyone, and forwarding. Both are messages of their own, and go the way of every message.
 */

/* Source: WAWebActionListener. What the interface asks for comes as an event; nobody waits for its end. */
define("WAWebActionListener", (exports, require) => {
  exports.start = () => {
    require("WAWebCmd").Cmd.on("send_revoke_msgs", (chat, messages, { clearMedia }) =>
      require("WAWebChatSendMessages").sendRevokeMsgs(chat, messages, clearMedia));
  };
});

define("WAWebChatSendMessages", (exports, require) => {
  exports.sendRevokeMsgs = (chat, { list }, clearMedia) =>
    Promise.all(list.map((data) =>
      require("WAWebRevokeMsgAction").sendRevoke({ type: "message", data }, "Sender", clearMedia)));
});

/* Source: WAWebRevokeMsgAction. The deletion takes the place of the message: its key is the one of both. */
define("WAWebRevokeMsgAction", (exports, require) => {
  async function createData(message, clearMedia) {
    const MsgKey = require("WAWebMsgKey");
    const t = require("WATimeUtils").unixTime();
    return {
      id: new MsgKey({ id: await MsgKey.newId(), remote: message.id.remote, fromMe: true }),
      from: require("WAWebUserPrefsMeUser").getMaybeMePnUser(), to: message.id.remote, t,
      type: "protocol", subtype: "sender_revoke", protocolMessageKey: message.id,
      ack: require("WAWebAck").ACK.CLOCK, clearMedia: Boolean(clearMedia), local: true, revokeTimestamp: t,
    };
  }

  exports.sendRevoke = async ({ data: message }, kind, clearMedia) => {
    if (!message.id.fromMe) throw new Error("revoking received message");
    const { SendMsgResult } = require("WAWebSendMsgResultAction");
    const data = await createData(message, clearMedia);
    const revoke = new (require("WAWebMsgModel").Msg)(data);
    await require("WAWebDBProcessMessage").storeMessages([data], message.id.remote);
    const { messageSendResult } = await require("WAWebSendMsgRecordAction").sendMsgRecord(revoke);
    if (messageSendResult !== SendMsgResult.OK) return { messageSendResult: SendMsgResult.ERROR_UNKNOWN };
    await require("WAWebDBProcessRevokeMsgs").processRevokeMsgs([
      { revokeMsgKey: message.id, newMsgKey: data.id, timestamp: message.t },
    ]);
    exports.revoke(message, { msgKey: data.id, revokeTimestamp: data.t });
    return { messageSendResult: SendMsgResult.OK };
  };

  exports.revoke = (message, { msgKey, revokeTimestamp }) => {
    const oldKey = message.id;
    const chat = require("WAWebChatCollection").ChatCollection.get(oldKey.remote);
    for (const collection of [chat && chat.msgs, message.getCollection()]) {
      if (collection) collection.replaceId(oldKey, msgKey);
    }
    message.set({
      id: msgKey, type: "revoked", subtype: "sender", revokeTimestamp, protocolMessageKey: oldKey,
      body: undefined, caption: undefined, quotedMsg: undefined, quotedStanzaID: undefined,
      quotedParticipant: undefined, isSendFailure: false,
    });
    if (chat && oldKey.equals(chat.lastReceivedKey)) chat.set("lastReceivedKey", msgKey);
  };
});

define("WAWebDBMessageDelete", (exports, require) => {
  exports.removeMessagesFromHistory = (keys) =>
    require("WAWebSandboxStorage").transact(["message"], "readwrite", (table) => {
      keys.forEach((key) => table.delete(key));
    });
});

define("WAWebDBProcessRevokeMsgs", (exports, require) => {
  exports.processRevokeMsgs = async (revokes) => {
    const { updateMessageTable } = require("WAWebDBUpdateMessageTable");
    for (const { revokeMsgKey, newMsgKey, timestamp } of revokes) {
      await updateMessageTable(newMsgKey, { type: "revoked", t: timestamp });
      await require("WAWebDBMessageDelete").removeMessagesFromHistory([String(revokeMsgKey)]);
    }
  };
});

/* Source: WAWebMsgDataUtils.genOutgoingMsgData. */
define("WAWebMsgDataUtils", (exports, require) => {
  exports.genOutgoingMsgData = async (chat, type) => {
    const MsgKey = require("WAWebMsgKey");
    const { getMaybeMeLidUser, getMaybeMePnUser } = require("WAWebUserPrefsMeUser");
    const from = chat.id.isLid() ? getMaybeMeLidUser() : getMaybeMePnUser();
    const id = new MsgKey({ from, to: chat.id, id: await MsgKey.newId(), selfDir: "out" });
    return {
      id, from, to: chat.id, type, t: require("WATimeUtils").unixTime(), isNewMsg: true, local: true,
      ack: require("WAWebAck").ACK.CLOCK,
    };
  };
});

/* Source: WAWebChatForwardMessage. Of a file the sandbox forwards nothing: that is another module's work. */
define("WAWebChatForwardMessage", (exports, require) => {
  const LEFT_OUT = new Set([
    "caption", "latestEditMsgKey", "latestEditSenderTimestampMs", "rowId", "messageSecret", "quotedMsg",
    "quotedParticipant", "quotedRemoteJid", "quotedStanzaID", "pollOptions", "pollSelectableOptionsCount",
    "receipts", "isSendFailure", "search",
  ]);

  async function forwardMessage(chat, message) {
    if (require("WAWebMsgModelUtils").typeIsMms(message)) throw new Error("a file cannot be forwarded here");
    const kept = Object.entries(message.serialize()).filter(([name]) => !LEFT_OUT.has(name));
    const data = await require("WAWebMsgDataUtils").genOutgoingMsgData(chat, message.type);
    const values = { ...Object.fromEntries(kept), ...data, star: false, isForwarded: true };
    await Promise.all(require("WAWebSendMsgChatAction").addAndSendMsgToChat(chat, values));
  }

  // Returns the files that failed; what else fails is only logged.
  exports.forwardMessages = async ({ chat, msgs }) => {
    const failed = [];
    for (const message of msgs) {
      try {
        await forwardMessage(chat, message);
      } catch (error) {
        console.warn("not forwarded", error);
        if (require("WAWebMsgModelUtils").typeIsMms(message)) failed.push(message);
      }
    }
    return failed;
  };
});
