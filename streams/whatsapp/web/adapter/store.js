/*
 * Reads: which numbers are on WhatsApp, and which messages this page has. Nothing here may send.
 */
(shared) => {
  "use strict";

  const { WPP, functions, requireConnection } = shared;

  /* ---------- look-ups ---------- */

  const buildWid = (phone) => WPP.whatsapp.WidFactory.createWid(`${phone.replace(/\D/g, "")}@c.us`);

  // The queryExists of wa-js returns null for "no" and for any error, so WhatsApp's own function is
  // called. Its null counts only if the page was connected before and after the call.
  async function look_up({ phone }) {
    requireConnection();
    const result = await functions.queryWidExists(buildWid(phone));
    if (!result) requireConnection();
    return { chat_id: result ? String(result.wid) : null };
  }

  /* ---------- messages: in memory, then on disk ---------- */

  // The chat id as a phone number and as a LID, where WhatsApp knows both.
  function listChatWids(chatId) {
    const wid = WPP.whatsapp.WidFactory.createWid(chatId);
    const cache = WPP.whatsapp.lidPnCache;
    const other = wid.isLid() ? cache.getPhoneNumber(wid) : cache.getCurrentLid(wid);
    return other ? [wid, other] : [wid];
  }

  // The key that this page gives to a message of ours.
  function buildKey(chat, id) {
    const { UserPrefs, MsgKey } = WPP.whatsapp;
    const usesLid = chat.id.isLid() || chat.id.isGroup();
    const from = usesLid ? UserPrefs.getMeLidUserOrThrow() : WPP.conn.getMyUserWid();
    return new MsgKey({ from, to: chat.id, id, selfDir: "out" });
  }

  // Also the keys that a page of another build gave: some builds end them in `_out`, some do not.
  function listKeys(chat, id) {
    const shortKey = `true_${chat.id}_${id}`;
    return [...new Set([buildKey(chat, id).toString(), `${shortKey}_out`, shortKey])];
  }

  // Last by the bare id: a key that is written differently must not be taken for "not in the store".
  function findInMemory(chat, id) {
    const store = WPP.whatsapp.MsgStore;
    const model = listKeys(chat, id).map((key) => store.get(key)).find(Boolean);
    if (model) return model;
    const models = chat.msgs ? chat.msgs.getModelsArray() : [];
    return models.find((candidate) => candidate.id.id === id && candidate.id.fromMe) || null;
  }

  function listChats(chatId) {
    return listChatWids(chatId).map((wid) => WPP.chat.get(wid)).filter(Boolean);
  }

  function findLoaded(id, chatId) {
    return listChats(chatId).map((chat) => findInMemory(chat, id)).find(Boolean) || null;
  }

  async function findOnDisk(chat, id) {
    for (const key of listKeys(chat, id)) {
      try {
        return await WPP.chat.getMessageById(key);
      } catch (error) {
        if (error.code !== "msg_not_found") throw error;
      }
    }
    return null;
  }

  async function findStored(id, chatId) {
    const model = findLoaded(id, chatId);
    if (model) return model;
    for (const chat of listChats(chatId)) {
      const stored = await findOnDisk(chat, id);
      if (stored) return stored;
    }
    return null;
  }

  async function find_message({ id, chat_id }) {
    const model = await findStored(id, chat_id);
    if (!model) requireConnection();
    return { ack: model ? model.ack : null };
  }

  async function read_acks({ ids }) {
    const acks = {};
    for (const [id, chatId] of ids) {
      const model = await findStored(id, chatId);
      if (model) acks[id] = model.ack;
    }
    return { acks };
  }

  return { calls: { look_up, find_message, read_acks }, internal: { buildKey, findLoaded } };
}
