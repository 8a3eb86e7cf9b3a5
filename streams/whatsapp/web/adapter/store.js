/*
 * The store: which numbers WhatsApp knows, and which messages this page has. Sends nothing.
 */
(shared) => {
  "use strict";

  const { WPP, functions, requireConnection } = shared;

  /* ---------- look-ups ---------- */

  const userWid = (phone) => WPP.whatsapp.WidFactory.createWid(`${phone.replace(/\D/g, "")}@c.us`);

  // wa-js's own queryExists answers null for "no" and for any error, so WhatsApp's is asked.
  // A null counts only if the connection was there before and after.
  async function look_up({ phone }) {
    requireConnection();
    const found = await functions.queryWidExists(userWid(phone));
    if (!found) requireConnection();
    return { chat_id: found ? String(found.wid) : null };
  }

  function bothForms(chatId) {
    const wid = WPP.whatsapp.WidFactory.createWid(chatId);
    const cache = WPP.whatsapp.lidPnCache;
    const other = wid.isLid() ? cache.getPhoneNumber(wid) : cache.getCurrentLid(wid);
    return other ? [wid, other] : [wid];
  }

  // The key that this page gives to a message of ours.
  function keyFor(chat, id) {
    const { UserPrefs, MsgKey } = WPP.whatsapp;
    const hidden = chat.id.isLid() || chat.id.isGroup();
    const from = hidden ? UserPrefs.getMeLidUserOrThrow() : WPP.conn.getMyUserWid();
    return new MsgKey({ from, to: chat.id, id, selfDir: "out" });
  }

  // And those that a page of another build gave: current ones end in `_out`, older ones do not.
  function keysOf(chat, id) {
    const older = `true_${chat.id}_${id}`;
    return [...new Set([keyFor(chat, id).toString(), `${older}_out`, older])];
  }

  // At last by the bare id: a key that is written differently must not be taken for "not there".
  function inMemory(chat, id) {
    const store = WPP.whatsapp.MsgStore;
    const model = keysOf(chat, id).map((key) => store.get(key)).find(Boolean);
    if (model) return model;
    const models = chat.msgs ? chat.msgs.getModelsArray() : [];
    return models.find((one) => one.id.id === id && one.id.fromMe) || null;
  }

  function chatsOf(chatId) {
    return bothForms(chatId).map((wid) => WPP.chat.get(wid)).filter(Boolean);
  }

  function loaded(id, chatId) {
    return chatsOf(chatId).map((chat) => inMemory(chat, id)).find(Boolean) || null;
  }

  async function onDisk(chat, id) {
    for (const key of keysOf(chat, id)) {
      try {
        return await WPP.chat.getMessageById(key);
      } catch (error) {
        if (error.code !== "msg_not_found") throw error;
      }
    }
    return null;
  }

  async function stored(id, chatId) {
    const model = loaded(id, chatId);
    if (model) return model;
    for (const chat of chatsOf(chatId)) {
      const found = await onDisk(chat, id);
      if (found) return found;
    }
    return null;
  }

  async function find({ id, chat_id }) {
    const model = await stored(id, chat_id);
    if (!model) requireConnection();
    return { ack: model ? model.ack : null };
  }

  async function read_acks({ ids }) {
    const acks = {};
    for (const [id, chatId] of ids) {
      const model = await stored(id, chatId);
      if (model) acks[id] = model.ack;
    }
    return { acks };
  }

  return { calls: { look_up, find, read_acks }, internal: { keyFor, loaded } };
}
