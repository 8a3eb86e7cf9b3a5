/*
 * Edits and revokes of sent messages. Each is a message of its own: the server acks it, and under an id that
 * we choose it is found again. WhatsApp Web stores it first and sends it then, past `addAndSendMsgToChat`: the
 * gate is `sendMsgRecord` alone (gate.js).
 *
 * To repeat one does no harm: the text is the same, and what is deleted stays deleted. So one that is stored
 * without an ack is not sent again from the store, but made again under a new id.
 */
(shared) => {
  "use strict";

  const { WPP, AdapterError, findModule, tryRead, loadModule, buildKey, findMessage, sendChange } = shared;

  const EDIT_WINDOW_S = 15 * 60; // source: WAWebMessageEditUtils
  const REVOKE_WINDOW_S = 2.5 * 24 * 60 * 60; // source: WAWebRevokeMsgConstants

  const revokeModule = findModule("WAWebRevokeMsgAction", "sendRevoke");

  const isChange = (type) => type === "edit" || type === "revoke";
  const refuse = (message) => new AdapterError("content_refused", message);

  async function requireChanged({ chat_id, reply_to }) {
    const message = await findMessage(reply_to, chat_id);
    if (message && message.type !== "revoked") return message;
    throw refuse("the message is not there any more");
  }

  // WhatsApp's own function says whether it may be; why not, its age tells.
  function requireAllowed(type, message) {
    const { canEditText, canEditCaption, canSenderRevokeMsg } = loadModule("WAWebMsgActionCapability");
    // This device has sent it, which the page forgets with a reload (source: WAWebMsgModel, a `session` attribute).
    message.local = true;
    const isAllowed = type === "edit" ? canEditText(message) || canEditCaption(message) : canSenderRevokeMsg(message);
    if (isAllowed) return;
    const age_s = WPP.whatsapp.functions.unixTime() - message.t;
    if (age_s >= (type === "edit" ? EDIT_WINDOW_S : REVOKE_WINDOW_S)) {
      throw new AdapterError(`too_late_to_${type}`, "WhatsApp Web does not allow it any more");
    }
    throw refuse(`WhatsApp Web does not allow to ${type} this message`);
  }

  // For the call of this turn, the page's next id is ours: it asks for one before it waits for anything
  // (source: WAWebRevokeMsgAction).
  function callWithNewId(id, call) {
    const { MsgKey } = WPP.whatsapp;
    const { newId } = MsgKey;
    MsgKey.newId = async () => id;
    try {
      return call();
    } finally {
      MsgKey.newId = newId;
    }
  }

  const editMessage = (chat, message, { content }, id) =>
    WPP.chat.editMessage(message.id.toString(), content.body, { messageId: buildKey(chat.id, id) });

  function revokeMessage(chat, message, submission, id) {
    if (!revokeModule) throw new AdapterError("page_incomplete", "WhatsApp Web cannot delete messages");
    const kind = tryRead(() => loadModule("WAWebCmd").Revoke.Sender) || "Sender";
    const record = { type: "message", data: message };
    return callWithNewId(id, () => revokeModule.sendRevoke(record, kind, false));
  }

  // `isRepeated`: an earlier attempt has left its row in the store, and no id can be stored twice.
  async function sendMessageChange(chat, submission, { message }, attempt, isRepeated) {
    const { type } = submission.content;
    requireAllowed(type, message);
    const id = isRepeated ? await WPP.whatsapp.MsgKey.newId() : submission.id;
    const send = type === "edit" ? editMessage : revokeMessage;
    return sendChange(attempt, message.id.id, async () => send(chat, message, submission, id));
  }

  return { internal: { isChange, requireChanged, sendMessageChange } };
}
