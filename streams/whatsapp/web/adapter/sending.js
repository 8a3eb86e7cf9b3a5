/*
 * Sending. A message leaves the page through the gate alone: it looks at the deadline in the very
 * turn in which WhatsApp's own function is called, and knows whether that function was called.
 */
(shared) => {
  "use strict";

  const { WPP, functions, Refusal, describe, connectionProblem, broken, keyFor, loaded } = shared;

  /* ---------- media: pieces of base64 that become one file ---------- */

  const media = new Map();

  function media_chunk({ token, data }) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    if (!media.has(token)) media.set(token, []);
    media.get(token).push(bytes);
    return {};
  }

  function takeFile(token, content) {
    const pieces = media.get(token) || [];
    media.delete(token);
    const type = content.mime || "application/octet-stream";
    return new File(pieces, content.filename || `${content.type}`, { type });
  }

  function media_drop({ token }) {
    media.delete(token);
    return {};
  }

  /* ---------- the gate ---------- */

  const LONGEST_TIMER_MS = 2 ** 31 - 1; // a longer one would go off at once

  const gates = new Map();

  // One attempt to send one id. `pass` lets WhatsApp's function be called once, in time, or throws.
  class Gate {
    constructor(submission) {
      this.deadline = submission.submit_before_ms;
      this.handed = false;
      this.closed = false;
      this.passed = false;
      this.late = new Promise((_, reject) => { this.reject = reject; });
      this.late.catch(() => {});
      this.whenHanded = () => {};
    }

    // Offline the message would wait in WhatsApp's outbox, and leave long after the deadline.
    check() {
      if (this.closed || Date.now() >= this.deadline) throw this.expire();
      const problem = connectionProblem();
      if (problem) throw this.close(new Refusal(...problem));
    }

    expire() {
      return this.close(new Refusal("timeout_before_submit", "the deadline passed in the page"));
    }

    pass() {
      this.check();
      if (this.passed) throw new Refusal("outcome_unknown", "this attempt has been sent already");
      this.passed = true;
      this.hand();
    }

    // Thrown at WhatsApp's own function it proves that nothing left, whoever called that function.
    close(refusal) {
      this.closed = true;
      if (!this.passed) this.handed = false;
      this.reject(refusal);
      return refusal;
    }

    hand() {
      if (this.handed) return;
      this.handed = true;
      this.whenHanded();
    }
  }

  let gated = false;

  function installGate() {
    const module = WPP.loader.search((m) => typeof m.addAndSendMsgToChat === "function");
    if (!module) {
      broken.add("gate");
      return;
    }
    const send = module.addAndSendMsgToChat;
    module.addAndSendMsgToChat = function (chat, raw) {
      const gate = gates.get(raw && raw.id && raw.id.id);
      if (gate) gate.pass();
      return send.apply(this, arguments);
    };
    gated = functions.addAndSendMsgToChat === module.addAndSendMsgToChat;
    if (!gated) broken.add("gate");
  }

  /* ---------- submit ---------- */

  const QUIET = { markIsRead: false, linkPreview: false, detectMentioned: false };

  function messageWithId(chat, id) {
    const models = chat.msgs.getModelsArray();
    const known = models.find((model) => model.id.id === id);
    if (known) return known;
    throw new Refusal("content_refused", "the message it refers to is not in this chat");
  }

  function optionsFor(chat, submission) {
    const options = { ...QUIET, messageId: keyFor(chat, submission.id), waitForAck: true };
    if (submission.reply_to) options.quotedMsg = messageWithId(chat, submission.reply_to);
    return options;
  }

  const escaped = (text) => String(text).replace(/[\\;,]/g, "\\$&").replace(/\r?\n/g, "\\n");

  function vcard({ name, phones }) {
    const numbers = phones.map((phone) => {
      const digits = phone.replace(/\D/g, "");
      return `TEL;type=CELL;waid=${digits}:+${digits}`;
    });
    const head = ["BEGIN:VCARD", "VERSION:3.0", `N:;${escaped(name)};;;`, `FN:${escaped(name)}`];
    return [...head, ...numbers, "END:VCARD"].join("\n");
  }

  function sendFile(chat, submission, options) {
    const { content } = submission;
    const file = takeFile(submission.id, content);
    return WPP.chat.sendFileMessage(chat.id, file, {
      ...options, type: content.type, caption: content.caption, filename: content.filename,
      mimetype: content.mime, isPtt: Boolean(content.voice),
    });
  }

  const SENDERS = {
    text: (chat, { content }, options) => WPP.chat.sendTextMessage(chat.id, content.body, options),
    location: (chat, { content }, options) => WPP.chat.sendLocationMessage(chat.id, {
      ...options, lat: content.latitude, lng: content.longitude,
      name: content.name, address: content.address,
    }),
    contact: (chat, { content }, options) => WPP.chat.sendRawMessage(chat.id, {
      type: "vcard", body: vcard(content), vcardFormattedName: content.name,
    }, options),
    poll: (chat, { content }, options) => WPP.chat.sendCreatePollMessage(
      chat.id, content.question, content.options,
      { ...options, selectableCount: content.multiple ? 0 : 1 },
    ),
    reaction: (chat, { content }) => WPP.chat.sendReactionToMessage(
      messageWithId(chat, content.message_id), content.emoji || false,
    ),
    image: sendFile, video: sendFile, audio: sendFile, document: sendFile, sticker: sendFile,
  };

  // Only these surely go through the gated function. Files may go to WhatsApp by another road, so
  // they count as handed over from the moment wa-js is called.
  const GATED = new Set(["text", "location", "contact", "poll"]);

  async function openChat(submission) {
    return WPP.chat.get(submission.chat_id) || (await WPP.chat.find(submission.chat_id));
  }

  // The server's own "no".
  const refusal = (code, message, server_code = null) =>
    Object.assign(new Refusal(code, message), { refused: true, server_code });

  // A result that is not OK is the server's "no".
  // A lost network is not an answer: the server may have the message all the same.
  function verdict(result) {
    const sent = result && result.sendMsgResult;
    const word = sent && typeof sent === "object" ? sent.messageSendResult : sent;
    if (!word || word === "OK") return;
    if (word === "ERROR_NETWORK") throw new Refusal("outcome_unknown", word);
    const server_code = sent.errorCode || sent.error || null;
    throw refusal(word === "ERROR_UPLOAD" ? "media_rejected" : "server_error", word, server_code);
  }

  function ackOf(model) {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (model.ack >= 1) resolve({});
        else if (model.ack < 0) reject(refusal("server_error", `ack ${model.ack}`));
        else return;
        model.off("change:ack", check);
      };
      model.on("change:ack", check);
      check();
    });
  }

  // An id that the page has already is never sent a second time, unless WhatsApp gave it up.
  function already({ chat_id, id }) {
    const model = loaded(id, chat_id);
    return model && model.ack >= 0 ? model : null;
  }

  // First of all what is there already: it may leave at any time, whatever the deadline says.
  async function sendThrough(gate, submission) {
    const there = already(submission);
    if (there) {
      gate.hand();
      return ackOf(there);
    }
    const chat = await openChat(submission).catch((error) => {
      throw new Refusal("lookup_failed", String(error && error.message));
    });
    const { type } = submission.content;
    const options = type === "reaction" ? null : optionsFor(chat, submission);
    if (!SENDERS[type]) throw new Refusal("content_refused", `unknown content type ${type}`);
    gate.check();
    if (!gated || !GATED.has(type)) gate.hand();
    verdict(await SENDERS[type](chat, submission, options));
    return {};
  }

  // Two clocks: before the hand-over the deadline, after it the time the ack may take.
  function clocks(gate, submission) {
    return new Promise((_, reject) => {
      const left = Math.min(Math.max(0, gate.deadline - Date.now()), LONGEST_TIMER_MS);
      let timer = setTimeout(() => gate.expire(), left);
      gate.stop = () => clearTimeout(timer);
      gate.whenHanded = () => {
        clearTimeout(timer);
        const late = () => reject(new Refusal("ack_timeout", "no ack in time"));
        timer = setTimeout(late, Math.min(submission.ack_timeout_ms, LONGEST_TIMER_MS));
      };
    });
  }

  // The gate stays until the attempt itself has ended, so that a straggler cannot slip past it.
  function attempt(gate, submission) {
    gates.set(submission.id, gate);
    const sending = sendThrough(gate, submission);
    const forget = () => { if (gates.get(submission.id) === gate) gates.delete(submission.id); };
    sending.then(forget, forget);
    return sending;
  }

  async function submit(submission) {
    const before = gates.get(submission.id);
    if (before && before.handed) {
      const twice = new Refusal("outcome_unknown", "it is being sent already");
      return { ...describe(twice), handed_over: true };
    }
    const gate = new Gate(submission);
    try {
      const clock = clocks(gate, submission);
      await Promise.race([attempt(gate, submission), gate.late, clock]);
      return { ok: true };
    } catch (error) {
      const { refused = false, server_code = null } = error || {};
      return { ...describe(error), handed_over: gate.handed, refused, server_code };
    } finally {
      gate.closed = true;
      gate.stop();
    }
  }

  installGate();
  return { submit, calls: { media_chunk, media_drop } };
}
