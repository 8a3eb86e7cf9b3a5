/*
 * The outbox: a message that is stored with ack 0 is sent until the server has it. A message may leave
 * the page here alone.
 *
 * As in WhatsApp Web, within one life of the page a message without an ack is sent again, under the same
 * id, at each reconnect. Unlike WhatsApp Web, the outbox here also outlives the page: after a reload,
 * or after the browser was killed, it sends what has no ack. WhatsApp Web itself marks such a message
 * as failed (`isSendFailure`) after a reload, and sends it only when a person tries again. So the sandbox
 * produces more repeats than WhatsApp does, and never fewer.
 */
define("WAWebSandboxOutbox", (exports, require) => {
  const pending = new Map();
  const CONTENT_TYPES = {
    chat: "text", ptt: "audio", vcard: "contact", poll_creation: "poll",
  };
  // The fields that the log has for a kind of content, besides the body.
  const DETAILS = [
    "filename", "mimetype", "size", "filehash", "lat", "lng", "loc", "pollName", "pollOptions",
    "pollSelectableOptionsCount", "vcardFormattedName",
  ];

  function buildDetails(model) {
    const details = {};
    for (const name of DETAILS) if (model.get(name) !== undefined) details[name] = model.get(name);
    if (model.type === "ptt") details.voice = true;
    return details;
  }

  function transmit(model) {
    require("WAWebSandboxWire").send("msg", {
      id: model.id.id, to: String(model.to), type: CONTENT_TYPES[model.type] || model.type,
      body: model.body || model.caption || "", quoted: model.quotedStanzaID || null,
      details: buildDetails(model),
    });
  }

  exports.send = (model) => {
    const existing = pending.get(model.id.id);
    if (existing) return existing.promise;
    const entry = { model };
    entry.promise = new Promise((resolve) => { entry.resolve = resolve; });
    pending.set(model.id.id, entry);
    transmit(model);
    return entry.promise;
  };

  exports.receiveAck = async ({ id, t, error }) => {
    const entry = pending.get(id);
    if (!entry) return;
    pending.delete(id);
    const { model, resolve } = entry;
    if (error) model.set("ack", -1);
    else model.set({ t, ack: Math.max(model.ack, 1) });
    await require("WAWebMsgCollection").MsgCollection.save(model);
    resolve(
      error
        ? { messageSendResult: "ERROR_UNKNOWN", errorCode: error }
        : { messageSendResult: "OK", t },
    );
  };

  // First what this page has sent, then what an earlier page left behind.
  exports.sendAll = async () => {
    for (const { model } of pending.values()) transmit(model);
    const { MsgCollection } = require("WAWebMsgCollection");
    const rows = await require("WAWebSandboxStorage").getPending();
    for (const row of rows.sort((first, second) => first.t - second.t)) {
      const model = MsgCollection.addToChat(MsgCollection.parseRow(row));
      const isAcked = model.ack !== 0; // the ack came while the rows were read
      if (!isAcked && !pending.has(model.id.id)) exports.send(model);
    }
  };
});
