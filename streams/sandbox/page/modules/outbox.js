/* ---------- the outbox: a message that is stored with ack 0 is sent until the server has it ---------- */

/*
 * As in WhatsApp Web (assumed, see the design notes): what was not acknowledged is sent again, under
 * its id, whenever the page connects anew, also after the browser was killed.
 */
define("WAWebSandboxOutbox", (exports, require) => {
  const pending = new Map();
  const TYPES = {
    chat: "text", ptt: "audio", vcard: "contact", poll_creation: "poll",
  };
  // Fields of each kind that the log tells besides the body.
  const MORE = ["filename", "mimetype", "size", "filehash", "lat", "lng", "loc", "pollName", "pollOptions"];

  function more(model) {
    const told = {};
    for (const name of MORE) if (model.get(name) !== undefined) told[name] = model.get(name);
    return told;
  }

  function transmit(model) {
    require("WAWebSandboxWire").send("msg", {
      id: model.id.id, to: String(model.to), type: TYPES[model.type] || model.type,
      body: model.body || model.caption || "", quoted: model.quotedStanzaID || null,
      more: more(model),
    });
  }

  exports.send = (model) => {
    const known = pending.get(model.id.id);
    if (known) return known.promise;
    const waiting = { model };
    waiting.promise = new Promise((resolve) => { waiting.resolve = resolve; });
    pending.set(model.id.id, waiting);
    transmit(model);
    return waiting.promise;
  };

  exports.acknowledged = async ({ id, t, error }) => {
    const waiting = pending.get(id);
    if (!waiting) return;
    pending.delete(id);
    const { model, resolve } = waiting;
    if (error) model.set("ack", -1);
    else model.set({ t, ack: Math.max(model.ack, 1) });
    await require("WAWebMsgCollection").MsgCollection.keep(model);
    resolve(
      error
        ? { messageSendResult: "ERROR_UNKNOWN", errorCode: error }
        : { messageSendResult: "OK", t },
    );
  };

  // First what this page was given, then what an earlier page left behind.
  exports.sendAll = async () => {
    for (const { model } of pending.values()) transmit(model);
    const { MsgCollection } = require("WAWebMsgCollection");
    const rows = await require("WAWebSandboxStorage").pending();
    for (const row of rows.sort((one, other) => one.t - other.t)) {
      const model = MsgCollection.addToChat(MsgCollection.revived(row));
      const answered = model.ack !== 0; // while the rows were read
      if (!answered && !pending.has(model.id.id)) exports.send(model);
    }
  };
});
