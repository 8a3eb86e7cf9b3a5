/*
 * Acks of the account's own messages, each reported once, from two sources: WhatsApp's receipt handler
 * (through wa-js) and the models of the messages. Nothing here may send.
 *
 * The two are counted apart: if WhatsApp moves receipts into a worker, the handler falls silent while
 * the models still change.
 */
(shared) => {
  "use strict";

  const { WPP, addEvent } = shared;

  const MAX_IDS = 10000;

  // By id: which levels each source has seen, and which were reported, as sets of bits.
  const levels = new Map();
  // By id: how many submits wait for its ack 1. Their result reports it.
  const waiting = new Map();

  function findLevels(id) {
    let seen = levels.get(id);
    if (!seen) {
      seen = { handler: 0, model: 0, reported: 0 };
      levels.set(id, seen);
      if (levels.size > MAX_IDS) levels.delete(levels.keys().next().value);
    }
    return seen;
  }

  // WhatsApp repeats receipts, and delivers them out of order.
  function record(key, ack, source) {
    if (!key.fromMe || ack < 1 || ack > 4) return;
    const seen = findLevels(key.id);
    const bit = 1 << ack;
    if (seen[source] & bit) return;
    seen[source] |= bit;
    const isAwaited = ack === 1 && waiting.has(key.id);
    const is_new = !isAwaited && !(seen.reported & bit);
    if (is_new) seen.reported |= bit;
    const is_group = key.remote.isGroup();
    addEvent({ kind: "ack", id: key.id, ack, source, is_new, is_group });
  }

  // wa-js derives ack 1 from the models (source: wa-js 4.6.0, chat.msg_ack_change). In a group, each member
  // has a receipt of its own: what WhatsApp makes of them is in the model.
  function onHandlerAck(change) {
    if (change.ack < 2 || (change.chat && change.chat.isGroup())) return;
    for (const key of change.ids) record(key, change.ack, "handler");
  }

  const startWaiting = (id) => waiting.set(id, (waiting.get(id) || 0) + 1);

  function stopWaiting(id) {
    const count = waiting.get(id) - 1;
    if (count > 0) waiting.set(id, count);
    else waiting.delete(id);
  }

  WPP.on("chat.msg_ack_change", onHandlerAck);
  WPP.whatsapp.MsgStore.on("change:ack", (model) => record(model.id, model.ack, "model"));

  return { internal: { startWaiting, stopWaiting } };
}
