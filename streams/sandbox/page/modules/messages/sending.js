/*
 * Sending a message: first into the database, then into its chat, then to the server. Only outbox.js may
 * speak to the server.
 */

/*
 * An array of two promises, returned at once. The first is fulfilled when the message is in the database
 * and in its chat, the second when the server has answered, or when this page has failed.
 */
define("WAWebSendMsgChatAction", (exports, require) => {
  // The model is in the collection even if the database then refuses the id.
  async function storeMessage(chat, data) {
    const values = await data;
    const { Msg } = require("WAWebMsgModel");
    const [model] = require("WAWebMsgCollection").MsgCollection.add(new Msg(values));
    await require("WAWebDBProcessMessage").storeMessages([values], chat.id);
    await model.waitForPrep();
    return { msg: model };
  }

  async function addToChat(chat, stored) {
    const { msg } = await chat.addQueue.enqueue(stored);
    const [model] = chat.msgs.add(msg);
    chat.createdLocally = false;
    return model;
  }

  // A message whose upload hangs holds back the later messages of its chat.
  exports.resendMsgToChat = async (chat, ready) => {
    const model = await chat.sendQueue.enqueue(ready);
    return require("WAWebSendMsgRecordAction").sendMsgRecord(model);
  };

  exports.addAndSendMsgToChat = (chat, data, beforeSend) => {
    const added = addToChat(chat, storeMessage(chat, data));
    const ready = beforeSend ? added.then(beforeSend).then(() => added) : added;
    return [added, exports.resendMsgToChat(chat, ready)];
  };
});

define("WAWebHandleMsgError", (exports) => {
  exports.MessageSentAckError = class MessageSentAckError extends Error {
    constructor(ackErrorCode) {
      super(`the server answered ${ackErrorCode}`);
      this.ackErrorCode = ackErrorCode;
    }
  };
});

define("WAWebErrorType", (exports) => {
  exports.SendFailureErrorCode = buildEnum(
    "NoError", "EditWindowExpired", "UserReachedMaxMonthlyLimitForNewMessages",
  );
});

/* The server's answer to a message, as the second promise gives it (source: WAWebSendMsgRecordAction). */
define("WAWebSendMsgRecordAction", (exports, require) => {
  const { SendMsgResult } = require("WAWebSendMsgResultAction");
  const { MessageSentAckError } = require("WAWebHandleMsgError");
  const { ServerStatusCodeError } = require("WAWebBackendErrors");
  const { ACK } = require("WAWebAck");

  const NEW_CHAT_MESSAGES_CAPPED = 475;

  // With this refusal the page learns that its quota is used up.
  function learnCap() {
    const { NewChatMessageCappingStatusType } = require("WAWebUserPrefsTypes");
    const { resetCappingStatus } = require("WAWebIndividualNewChatMessageCappingLimitUtils");
    resetCappingStatus(NewChatMessageCappingStatusType.CAPPED);
    require("WAWebCmd").Cmd.newChatMessageCappingStateChange();
    return { errorCode: require("WAWebErrorType").SendFailureErrorCode.UserReachedMaxMonthlyLimitForNewMessages };
  }

  function markFailed(model, error) {
    const changes = { isSendFailure: true };
    if (error instanceof MessageSentAckError) changes.ack = ACK.FAILED;
    if (error.ackErrorCode === NEW_CHAT_MESSAGES_CAPPED) Object.assign(changes, learnCap());
    require("WAWebDBUpdateMessageTable").updateMessageTable(model.id, changes);
    model.set(changes);
  }

  async function sendModel(model) {
    try {
      const record = { type: "message", data: model };
      const answer = await require("WAWebSendMsgJob").encryptAndSendMsg(record);
      if (answer.error) throw new MessageSentAckError(answer.error);
      return answer;
    } catch (error) {
      markFailed(model, error);
      throw error;
    }
  }

  // Only an error of the server has a code. Any other exception of this page looks the same, before the
  // ack and after it.
  function describeFailure(error) {
    if (error instanceof ServerStatusCodeError) return { messageSendResult: SendMsgResult.ERROR_NETWORK };
    const result = { messageSendResult: SendMsgResult.ERROR_UNKNOWN };
    return error instanceof MessageSentAckError ? { ...result, ackErrorCode: error.ackErrorCode } : result;
  }

  // What follows from the ack may fail as well.
  function finish(model, chat, { t, local_error }) {
    const isSelf = require("WAWebUserPrefsMeUser").isMePrimary(model.id.remote);
    model.updateAck(isSelf ? ACK.READ : ACK.SENT);
    if (local_error) throw new Error("the message could not be logged");
    chat.lastReceivedKey = model.id;
    return { messageSendResult: SendMsgResult.OK, t, count: null };
  }

  exports.sendMsgRecord = async (model) => {
    const chat = await require("WAWebFindChatAction").findExistingChat(model.id.remote, "sendMsgRecord");
    model.isNewMsg = true;
    try {
      return finish(model, chat, await sendModel(model));
    } catch (error) {
      return describeFailure(error);
    }
  };

  exports.sendAddonRecord = async (addon) => {
    try {
      const { t } = await require("WAWebAddonSendProcess").sendAddonProcess(addon);
      return { messageSendResult: SendMsgResult.OK, t, count: null };
    } catch (error) {
      return describeFailure(error);
    }
  };
});

define("WAWebSendMsgJob", (exports, require) => {
  const CONTENT_TYPES = { chat: "text", ptt: "audio", vcard: "contact", poll_creation: "poll" };
  const PROTOCOL_TYPES = { message_edit: "edit", sender_revoke: "revoke" };
  // The fields that the log has for a kind of content, besides the body.
  const DETAILS = [
    "filename", "mimetype", "size", "filehash", "lat", "lng", "loc", "pollName", "pollOptions",
    "pollSelectableOptionsCount", "vcardFormattedName",
  ];

  const getContentType = ({ type, subtype }) =>
    (type === "protocol" ? PROTOCOL_TYPES[subtype] : CONTENT_TYPES[type]) || type;

  function buildDetails(message) {
    const details = {};
    for (const name of DETAILS) if (message[name] !== undefined) details[name] = message[name];
    if (message.type === "ptt") details.voice = true;
    if (message.protocolMessageKey) details.target = message.protocolMessageKey.id;
    const mentioned = message.mentionedJidList || [];
    if (mentioned.length) details.mentioned = mentioned.map(String);
    // A file that was never uploaded: the recipient could not open it.
    if (require("WAWebMsgModelUtils").typeIsMms(message) && !message.directPath) details.is_broken = true;
    return details;
  }

  const buildStanza = (message) => ({
    id: message.id.id, to: String(message.to), type: getContentType(message),
    body: message.body || message.caption || "", quoted: message.quotedStanzaID || null,
    details: buildDetails(message),
  });

  // Nothing leaves the page before the offline delivery has ended. A change of the ack that waits for the
  // database comes first: encryption takes longer than that on the real page.
  exports.encryptAndSendMsg = async ({ data }) => {
    await require("WAWebEventsWaitForOfflineDeliveryEnd").waitForOfflineDeliveryEnd();
    await data.ackUpdates;
    return require("WAWebSandboxOutbox").sendStanza(buildStanza(data));
  };
});

/* What a person's "try again" does: the same id, encrypted anew. Without effect unless the message failed. */
define("WAWebResendMsgAction", (exports, require) => {
  exports.resendMsg = async (model) => {
    const { getIsFailed, getIsSentByMeFromWeb } = require("WAWebMsgGetters");
    if (!getIsFailed(model)) return undefined;
    const changes = { ack: require("WAWebAck").ACK.CLOCK, isSendFailure: false };
    model.enqueueAckUpdate(async () => {
      await require("WAWebDBUpdateMessageTable").updateMessageTable(model.id, changes);
      model.set(changes);
    });
    if (require("WAWebMsgModelUtils").typeIsMms(model)) {
      return getIsSentByMeFromWeb(model) ? model.resumeUpload() : model.resumeRemoteUpload();
    }
    return (await require("WAWebSendMsgRecordAction").sendMsgRecord(model)).messageSendResult;
  };
});

define("WAWebMsgReply", (exports, require) => {
  exports.canReplyMsg = (message) => message.ack >= 0 || !message.id.fromMe;
});

define("WAWebUpdateUnreadChatAction", (exports) => {
  exports.markUnread = async () => {};
  exports.sendSeen = async ({ chat }) => {
    chat.set("unreadCount", 0);
    return { status: 200 };
  };
});

define("WAWebPresenceChatAction", (exports, require) => {
  const sendState = (state) => async (chat) => {
    require("WAWebSandboxWire").send("chatstate", { state, to: chat.id.toString() });
  };
  exports.markComposing = sendState("composing");
  exports.markPaused = sendState("paused");
  exports.markRecording = sendState("recording");
});
