/*
 * Messages to the account, and changes of them, from other people's phones. Each is confirmed to the server only after
 * it is stored. Nothing here may send a message.
 */

/* The values of a message, as the page has them (source: WAWebMsgType for the types). */
define("WAWebSandboxInboxValues", (exports, require) => {
  const { createWid } = require("WAWebWidFactory");

  function buildQuote({ quoted, quoted_body: body }, me) {
    if (!quoted) return {};
    const quotedMsg = body === null ? undefined : { type: "chat", body };
    return { quotedStanzaID: quoted, quotedParticipant: me, quotedMsg };
  }

  exports.buildKey = ({ id, from, group }) => {
    const MsgKey = require("WAWebMsgKey");
    const writer = createWid(from);
    return new MsgKey({
      fromMe: false, remote: group ? createWid(group) : writer, id, participant: group ? writer : undefined,
    });
  };

  exports.buildValues = (inbound) => {
    const id = exports.buildKey(inbound);
    const { getMeUserMatchingAddressingModeOrThrow } = require("WAWebUserPrefsMeUser");
    const me = getMeUserMatchingAddressingModeOrThrow(id.remote);
    const { type, body, t, details, group } = inbound;
    return {
      id, from: id.remote, to: me, author: group ? createWid(inbound.from) : undefined, body, type, t,
      self: "in", isNewMsg: true, ack: 1, ...details, ...buildQuote(inbound, me),
    };
  };
});

/* Changes: each has a message that it belongs to, and is nothing if that one is not there. */
define("WAWebSandboxInboxChanges", (exports, require) => {
  const { buildKey } = require("WAWebSandboxInboxValues");
  const storage = require("WAWebSandboxStorage");
  const findModel = (key) => require("WAWebMsgCollection").MsgCollection.get(key);
  const buildTarget = (inbound) => buildKey({ ...inbound, id: inbound.target });

  async function edit(inbound) {
    const target = buildTarget(inbound);
    const row = await storage.get("message", String(target));
    if (!row) return;
    const { body, t } = inbound;
    await require("WAWebProcessAddonsJob").processEditProtocolMsgsJob([{
      protocolMessageKey: target, editMsgType: row.type, body, caption: body,
      latestEditMsgKey: buildKey(inbound), latestEditSenderTimestampMs: t * 1000,
    }]);
  }

  // The row keeps its number, and gets the key of the revoke (source: WAWebDBProcessRevokeMsgs).
  async function revoke(inbound) {
    const [target, key] = [buildTarget(inbound), buildKey(inbound)];
    const row = await storage.get("message", String(target));
    if (!row) return;
    const { chatId, rowId, from, to, author, ack, t } = row;
    await storage.transact(["message"], "readwrite", (table) => {
      table.delete(row.id);
      table.put({
        id: String(key), chatId, rowId, from, to, author, ack, t, type: "revoked", subtype: "sender",
        protocolMessageKey: row.id, revokeTimestamp: inbound.t,
      });
    });
    const model = findModel(target);
    if (model) require("WAWebRevokeMsgAction").revoke(model, { msgKey: key, revokeTimestamp: inbound.t });
  }

  async function react(inbound) {
    const MsgKey = require("WAWebMsgKey");
    const { remote, participant } = buildKey(inbound);
    const keys = [true, false].map((fromMe) =>
      new MsgKey({ fromMe, remote, id: inbound.target, participant: fromMe ? undefined : participant }));
    const rows = await Promise.all(keys.map((key) => storage.get("message", String(key))));
    const parent = rows.find(Boolean);
    if (!parent) return;
    const row = {
      id: `${parent.id},${inbound.from}`, msgKey: String(buildKey(inbound)), parentMsgKey: parent.id,
      senderUserJid: inbound.from, reactionText: inbound.body, timestamp: inbound.t * 1000, t: inbound.t,
      read: false, orphan: 0, ack: 1,
    };
    await storage.put("reactions", row);
    require("WAWebReactionsMsgAction").addOrUpdateReactionsModelCollection([row]);
  }

  exports.CHANGES = { edit, revoke, reaction: react };
});

define("WAWebSandboxInbox", (exports, require) => {
  const { createWid } = require("WAWebWidFactory");
  const { buildValues } = require("WAWebSandboxInboxValues");

  // The other side has written: its token proves that to the server (source: WAWebReachoutTimelockUtils).
  async function updateChat(chat, t, token) {
    chat.set({ t, tcToken: token, tcTokenTimestamp: t, unreadCount: (chat.unreadCount || 0) + 1 });
    const { unreadCount, tcToken, tcTokenTimestamp } = chat;
    const row = { id: String(chat.id), t, unreadCount, tcToken, tcTokenTimestamp };
    await require("WAWebSandboxStorage").put("chat", row);
  }

  async function learnIds({ from, pn }) {
    const [lid, phoneNumber] = [createWid(from), pn && createWid(pn)];
    if (!phoneNumber || !lid.isLid()) return;
    const { createLidPnMappings } = require("WAWebDBCreateLidPnMappings");
    await createLidPnMappings({ mappings: [{ lid, pn: phoneNumber }] });
  }

  function learnName({ from, name }) {
    if (name === null) return;
    require("WAWebContactCollection").ContactCollection.gadd(createWid(from)).set({ pushname: name });
  }

  // The content of a message that could not be decrypted before takes the place of what was there.
  async function replacePlaceholder(values) {
    const { dbRowFromMessage } = require("WAWebDBMessageSerialization");
    const changed = await require("WAWebDBUpdateMessageTable").changeRow(values.id, (row) =>
      (row.type === "ciphertext" ? dbRowFromMessage(values) : null));
    const model = changed && require("WAWebMsgCollection").MsgCollection.get(values.id);
    if (model) model.set({ ...values, id: model.id });
  }

  async function store(values) {
    const { MsgCollection } = require("WAWebMsgCollection");
    const { storeMessages, DuplicateMessageError } = require("WAWebDBProcessMessage");
    try {
      await storeMessages([values], values.id.remote);
    } catch (error) {
      if (!(error instanceof DuplicateMessageError)) throw error;
      return replacePlaceholder(values); // or a message that came twice
    }
    await MsgCollection.processMultipleMessages(values.from, [values], { add: "after" });
    const chat = require("WAWebChatCollection").ChatCollection.get(values.from);
    chat.lastReceivedKey = values.id;
    return updateChat(chat, values.t, `token-of-${values.from}`);
  }

  async function receive(inbound) {
    await learnIds(inbound);
    learnName(inbound);
    const change = require("WAWebSandboxInboxChanges").CHANGES[inbound.type];
    await (change ? change(inbound) : store(buildValues(inbound)));
    require("WAWebSandboxWire").send("inbound_confirmed", { id: inbound.id });
  }

  // One after the other, in the order in which they come.
  let last = Promise.resolve();
  exports.receiveMessage = (inbound) => {
    last = last.then(() => receive(inbound)).catch((error) => console.error("not received", error));
    return last;
  };
});
