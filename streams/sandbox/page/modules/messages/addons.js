/*
 * Add-ons: messages that belong to another message. Only reactions here. An add-on is in a table of its own,
 * never among the messages: neither the collection nor getMessagesById knows its id.
 */

/* The table. The real one has an index on `msgKey`, too. */
define("WAWebSchemaReactions", (exports, require) => {
  exports.getReactionsTable = () => ({
    all: () => require("WAWebSandboxStorage").getAll("reactions"),
    equals: async ([index], value) =>
      (await require("WAWebSandboxStorage").getAll("reactions")).filter((row) => row[index] === value),
  });
});

/* The page chooses the id. The promise is fulfilled without a value, or rejected. */
define("WAWebSendReactionMsgAction", (exports, require) => {
  exports.sendReactionToMsg = async (message, reactionText) => {
    const MsgKey = require("WAWebMsgKey");
    const to = require("WAWebFrontendMsgGetters").getChat(message).id;
    const from = require("WAWebUserPrefsMeUser").getMeUserMatchingAddressingModeOrThrow(to);
    const participant = to.isGroup() ? from : undefined;
    const t = require("WATimeUtils").unixTime();
    const result = await require("WAWebSendAddonMsgChatAction").addAndSendAddonToChat({
      id: new MsgKey({ from, to, id: await MsgKey.newId(), participant, selfDir: "out" }), from, to,
      type: "reaction", kind: "reactionDecrypted", t, ack: require("WAWebAck").ACK.CLOCK,
      reactionParentKey: message.id, reactionText, reactionTimestamp: t * 1000, read: true,
    });
    const { SendMsgResult } = require("WAWebSendMsgResultAction");
    if (result.messageSendResult !== SendMsgResult.OK) throw new Error("Reaction send error");
  };
});

define("WAWebSendAddonMsgChatAction", (exports, require) => {
  exports.addAndSendAddonToChat = (addon) =>
    require("WAWebSendMsgRecordAction").sendAddonRecord(addon);
});

/* First into the table, then to the server; the ack, or a failure, goes into the table. */
define("WAWebAddonSendProcess", (exports, require) => {
  const { ACK } = require("WAWebAck");

  function buildRow(addon) {
    return {
      // One reaction for each person and message: a later one takes the place of an earlier one.
      id: `${addon.reactionParentKey},${addon.from}`, msgKey: String(addon.id),
      parentMsgKey: String(addon.reactionParentKey), senderUserJid: String(addon.from),
      reactionText: addon.reactionText, timestamp: addon.reactionTimestamp, read: addon.read,
      orphan: 0, ack: addon.ack,
    };
  }

  const save = (row) => require("WAWebSandboxStorage").put("reactions", row);

  exports.sendAddonProcess = async (addon) => {
    const row = buildRow(addon);
    await save(row);
    try {
      const message = {
        ...addon, body: addon.reactionText, quotedStanzaID: addon.reactionParentKey.id,
      };
      const answer = await require("WAWebSendMsgJob").encryptAndSendMsg({ type: "addon", data: message });
      const { MessageSentAckError } = require("WAWebHandleMsgError");
      if (answer.error) throw new MessageSentAckError(answer.error);
      await save({ ...row, ack: ACK.SENT });
      if (answer.local_error) throw new Error("the add-on could not be logged");
      return answer;
    } catch (error) {
      await save({ ...row, ack: ACK.FAILED });
      throw error;
    }
  };
});

/* What the page's own functions look up of a reaction: by the message that it belongs to. */
define("WAWebDBGetReactions", (exports, require) => {
  async function getRows(parentKey) {
    const rows = await require("WAWebSandboxStorage").getAll("reactions");
    return rows.filter((row) => row.parentMsgKey === String(parentKey) && row.reactionText !== "");
  }

  exports.getReactions = async (parentKey) => {
    const rows = await getRows(parentKey);
    const { isSerializedWidMe } = require("WAWebUserPrefsMeUser");
    const isMine = (row) => isSerializedWidMe(row.senderUserJid);
    const texts = [...new Set(rows.map((row) => row.reactionText))];
    const reactions = texts.map((aggregateEmoji) => {
      const senders = rows.filter((row) => row.reactionText === aggregateEmoji);
      return { aggregateEmoji, hasReactionByMe: senders.some(isMine), senders };
    });
    return { reactions, reactionByMe: rows.find(isMine) };
  };
  exports.existsReactionAddressingModeInsensitive = async ({ parentMsgKey, senderUserJid }) =>
    (await getRows(parentMsgKey)).find((row) => row.senderUserJid === senderUserJid) ?? null;
});
