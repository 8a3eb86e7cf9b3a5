/*
 * Reads: which numbers are on WhatsApp, and which messages this page has. Nothing here may send.
 */
(shared) => {
  "use strict";

  const {
    WPP, functions, AdapterError, attempts, findModule, missing, readOrNull, loadModule, requireConnection,
    listAuthors, listMembers,
  } = shared;

  /* ---------- numbers ---------- */

  const buildWid = (phone) => WPP.whatsapp.WidFactory.createWid(`${phone.replace(/\D/g, "")}@c.us`);

  // The server's error for one number, which WhatsApp's function takes for "no" (sources:
  // WAWebUsyncContact, WAWebQueryExistsJob).
  let numberErrors = 0;

  function watchNumberErrors() {
    const { prototype } = loadModule("WAWebUsync").USyncQuery;
    const { execute } = prototype;
    prototype.execute = async function () {
      const answer = await execute.apply(this, arguments);
      if (answer.list.some(({ contact }) => contact && contact.errorCode)) numberErrors += 1;
      return answer;
    };
  }

  readOrNull("USyncQuery", watchNumberErrors);

  // The number that WhatsApp has for a chat, which identifies the recipient: one chat may be found under
  // several numbers. A look-up stores it with the LID (source: WAWebQueryExistsJob).
  function getPhone(wid) {
    const owner = wid.isLid() ? WPP.whatsapp.lidPnCache.getPhoneNumber(wid) : wid;
    return owner ? `+${owner.user}` : null;
  }

  // The queryExists of wa-js returns null for "no" and for any error, so WhatsApp's own function is
  // called. Its null counts only if the page was connected before and after the call, and saw no error.
  async function look_up({ phone }) {
    requireConnection();
    const errorsBefore = numberErrors;
    const result = await functions.queryWidExists(buildWid(phone));
    if (!result) requireConnection();
    if (!result && numberErrors > errorsBefore) {
      throw new AdapterError("lookup_failed", "the server answered with an error for this number");
    }
    return { chat_id: result ? String(result.wid) : null, phone: result ? getPhone(result.wid) : null };
  }

  // Whether the server says that nobody has this chat's number. Without a number there is nothing to ask.
  async function hasLeft(chatId) {
    const phone = getPhone(WPP.whatsapp.WidFactory.createWid(chatId));
    return phone !== null && (await look_up({ phone })).chat_id === null;
  }

  /* ---------- keys ---------- */

  // The chat id as a phone number and as a LID, where WhatsApp knows both.
  function listChatWids(chatId) {
    const wid = WPP.whatsapp.WidFactory.createWid(chatId);
    if (wid.isGroup()) return [wid];
    const cache = WPP.whatsapp.lidPnCache;
    const other = wid.isLid() ? cache.getPhoneNumber(wid) : cache.getCurrentLid(wid);
    return other ? [wid, other] : [wid];
  }

  // The page's own form: it ends in `_out` in the chat with oneself alone, and in a group in the author
  // (source: WAWebMsgKey).
  function buildKey(remote, id) {
    const participant = remote.isGroup() ? listAuthors(remote)[0] : undefined;
    return new WPP.whatsapp.MsgKey({ fromMe: true, remote, id, participant });
  }

  // A group may have changed from phone numbers to LIDs since the message was sent.
  function listGroupKeys(remote, id, fromMe) {
    const authors = fromMe ? listAuthors(remote) : listMembers(remote);
    return authors.map((participant) =>
      new WPP.whatsapp.MsgKey({ fromMe, remote, id, participant }).toString());
  }

  // Also the forms of other builds: a key that is written differently must not look like "not in the store".
  function listKeys(wid, id, fromMe) {
    if (wid.isGroup()) return listGroupKeys(wid, id, fromMe);
    const shortKey = `${fromMe}_${wid}_${id}`;
    const key = new WPP.whatsapp.MsgKey({ fromMe, remote: wid, id });
    return [...new Set([key.toString(), shortKey, ...(fromMe ? [`${shortKey}_out`] : [])])];
  }

  function listAllKeys(chatId, id, isOwn) {
    const directions = isOwn ? [true] : [true, false];
    const wids = listChatWids(chatId);
    return directions.flatMap((fromMe) => wids.flatMap((wid) => listKeys(wid, id, fromMe)));
  }

  /* ---------- messages: in memory, then in the database ---------- */

  const listChats = (chatId) =>
    listChatWids(chatId).map((wid) => WPP.whatsapp.ChatStore.get(wid)).filter(Boolean);

  function findInChat(chat, id, isOwn) {
    const models = chat.msgs ? chat.msgs.getModelsArray() : [];
    return models.find((model) => model.id.id === id && (model.id.fromMe || !isOwn));
  }

  const findByKeys = (keys) => keys.map((key) => WPP.whatsapp.MsgStore.get(key)).find(Boolean);

  // Last by the bare id, for keys in a form that is not known.
  function findInMemory(id, chatId, isOwn = true) {
    const model = findByKeys(listAllKeys(chatId, id, isOwn));
    if (model) return model;
    return listChats(chatId).map((chat) => findInChat(chat, id, isOwn)).find(Boolean) || null;
  }

  // Puts what the database has under these keys into memory. Unlike a search from the chat, it does not
  // wait for a chat that is not restored yet (source: WAWebMsgCollection.getMessagesById).
  async function loadMessages(keys) {
    const store = WPP.whatsapp.MsgStore;
    if (typeof store.getMessagesById === "function") return store.getMessagesById(keys);
    missing.add("getMessagesById");
    throw new Error("WhatsApp Web has no getMessagesById");
  }

  // Every message of the chat is looked at only once, after the database.
  async function findMessage(id, chatId, { isOwn = true } = {}) {
    const keys = listAllKeys(chatId, id, isOwn);
    const model = findByKeys(keys);
    if (model) return model;
    const failure = await loadMessages(keys).then(() => null, (error) => error);
    const found = findInMemory(id, chatId, isOwn);
    if (failure && !found) throw failure;
    return found;
  }

  // The model with what the database has of it, also if it is in memory.
  async function reloadMessage(id, chatId) {
    await loadMessages(listAllKeys(chatId, id, true));
    return findInMemory(id, chatId);
  }

  /* ---------- reactions ---------- */

  // A reaction is no message: it has a table of its own (source: WAWebSchemaReactions).
  const reactionModule = findModule("WAWebSchemaReactions", "getReactionsTable");
  if (!reactionModule) missing.add("getReactionsTable");

  // The ack of a reaction that was sent under this id; null if another one has replaced it.
  async function findReactionAck(id, chatId) {
    if (!reactionModule) return null;
    const table = reactionModule.getReactionsTable();
    const keys = listChatWids(chatId).flatMap((wid) => listKeys(wid, id, true));
    for (const key of keys) {
      const [row] = await table.equals(["msgKey"], key);
      if (row) return row.ack;
    }
    return null;
  }

  /* ---------- calls ---------- */

  const isPending = (id) => attempts.has(id) && attempts.get(id).isPending;

  // Of a refusal that an earlier document got and perhaps reported to nobody: WhatsApp gives a text ack -1 only if
  // the server refused it, and keeps no code (source: WAWebSendMsgRecordAction). Once in each document: the next
  // submit of such a message tells the code.
  const LOST_CODE = 0;
  let hasReportedLost = false;

  function takeLostCode(model) {
    if (hasReportedLost || model.mediaObject) return null;
    hasReportedLost = true;
    return LOST_CODE;
  }

  const takeServerCode = (id, model) =>
    (attempts.has(id) ? attempts.get(id).takeLateServerCode() : takeLostCode(model));

  // Pending is what this page still sends. What an earlier page left at ack 0 is not.
  async function find_message({ id, chat_id }) {
    const model = await findMessage(id, chat_id);
    if (model) {
      const server_code = model.ack < 0 ? takeServerCode(id, model) : null;
      return { ack: model.ack, is_pending: model.ack === 0 && isPending(id), server_code };
    }
    const ack = await findReactionAck(id, chat_id);
    if (ack !== null) return { ack, is_pending: ack === 0 && isPending(id) };
    if (isPending(id)) return { ack: 0, is_pending: true };
    requireConnection();
    return { ack: null, is_pending: false };
  }

  async function read_acks({ ids }) {
    const unloaded = ids.filter(([id, chatId]) => !findInMemory(id, chatId));
    const keys = unloaded.flatMap(([id, chatId]) => listAllKeys(chatId, id, true));
    if (keys.length) await loadMessages(keys);
    const acks = {};
    for (const [id, chatId] of ids) {
      const model = findInMemory(id, chatId);
      if (model) acks[id] = model.ack;
    }
    return { acks };
  }

  return {
    calls: { look_up, find_message, read_acks },
    internal: {
      buildKey, findInMemory, findMessage, loadMessages, reloadMessage, findReactionAck, listChats, hasLeft,
    },
  };
}
