/*
 * Sends messages. A message may leave the page through the gate alone: the gate checks the deadline
 * in the same tick of the event loop in which WhatsApp's own function is called, and records whether
 * that function was called.
 */
(shared) => {
  "use strict";

  const {
    WPP, functions, AdapterError, describeError, findConnectionProblem, missing, buildKey, findLoaded,
  } = shared;

  /* ---------- media: chunks of base64 that become one file ---------- */

  const mediaChunks = new Map();

  function add_media_chunk({ token, data }) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    if (!mediaChunks.has(token)) mediaChunks.set(token, []);
    mediaChunks.get(token).push(bytes);
    return {};
  }

  function drop_media({ token }) {
    mediaChunks.delete(token);
    return {};
  }

  function takeFile(token, content) {
    const chunks = mediaChunks.get(token) || [];
    mediaChunks.delete(token);
    const type = content.mime || "application/octet-stream";
    return new File(chunks, content.filename || `${content.type}`, { type });
  }

  /* ---------- the gate ---------- */

  const MAX_TIMER_MS = 2 ** 31 - 1; // a longer timer would fire at once

  const gates = new Map();

  // One attempt to send one id. `pass` allows one call of WhatsApp's function, in time; else it throws.
  class Gate {
    constructor(submission) {
      this.deadline = submission.submit_before_ms;
      this.isHandedOver = false;
      this.isClosed = false;
      this.isPassed = false;
      this.closed = new Promise((_, reject) => { this.reject = reject; });
      this.closed.catch(() => {});
      this.onHandOver = () => {};
    }

    // Offline, the message would wait in WhatsApp's outbox and leave long after the deadline.
    check() {
      if (this.isClosed || Date.now() >= this.deadline) throw this.expire();
      const problem = findConnectionProblem();
      if (problem) throw this.close(new AdapterError(...problem));
    }

    expire() {
      return this.close(new AdapterError("timeout_before_submit", "the deadline passed in the page"));
    }

    pass() {
      this.check();
      if (this.isPassed) throw new AdapterError("outcome_unknown", "this attempt has been sent already");
      this.isPassed = true;
      this.markHandedOver();
    }

    // Thrown into the call of WhatsApp's function, the error proves that nothing left the page,
    // even if other code made that call.
    close(error) {
      this.isClosed = true;
      if (!this.isPassed) this.isHandedOver = false;
      this.reject(error);
      return error;
    }

    markHandedOver() {
      if (this.isHandedOver) return;
      this.isHandedOver = true;
      this.onHandOver();
    }
  }

  let isGateInstalled = false;

  function installGate() {
    const module = WPP.loader.search((m) => typeof m.addAndSendMsgToChat === "function");
    if (!module) {
      missing.add("gate");
      return;
    }
    const send = module.addAndSendMsgToChat;
    module.addAndSendMsgToChat = function (chat, raw) {
      const gate = gates.get(raw && raw.id && raw.id.id);
      if (gate) gate.pass();
      return send.apply(this, arguments);
    };
    isGateInstalled = functions.addAndSendMsgToChat === module.addAndSendMsgToChat;
    if (!isGateInstalled) missing.add("gate");
  }

  /* ---------- one sender for each kind of content ---------- */

  const BASE_OPTIONS = { markIsRead: false, linkPreview: false, detectMentioned: false };

  function requireMessage(chat, id) {
    const message = chat.msgs.getModelsArray().find((model) => model.id.id === id);
    if (message) return message;
    throw new AdapterError("content_refused", "the message it refers to is not in this chat");
  }

  // Throws before anything is handed over, so a message that does not exist is certainly not sent.
  function buildOptions(chat, submission) {
    const { type, message_id } = submission.content;
    if (type === "reaction") return { message: requireMessage(chat, message_id) };
    const options = { ...BASE_OPTIONS, messageId: buildKey(chat, submission.id), waitForAck: true };
    if (submission.reply_to) options.quotedMsg = requireMessage(chat, submission.reply_to);
    return options;
  }

  const escapeVcard = (text) => String(text).replace(/[\\;,]/g, "\\$&").replace(/\r?\n/g, "\\n");

  function buildVcard({ name, phones }) {
    const escapedName = escapeVcard(name);
    const numbers = phones.map((phone) => {
      const digits = phone.replace(/\D/g, "");
      return `TEL;type=CELL;waid=${digits}:+${digits}`;
    });
    const head = ["BEGIN:VCARD", "VERSION:3.0", `N:;${escapedName};;;`, `FN:${escapedName}`];
    return [...head, ...numbers, "END:VCARD"].join("\n");
  }

  const sendText = (chat, { content }, options) =>
    WPP.chat.sendTextMessage(chat.id, content.body, options);

  const sendLocation = (chat, { content }, options) => WPP.chat.sendLocationMessage(chat.id, {
    ...options, lat: content.latitude, lng: content.longitude,
    name: content.name, address: content.address,
  });

  const sendContact = (chat, { content }, options) => WPP.chat.sendRawMessage(chat.id, {
    type: "vcard", body: buildVcard(content), vcardFormattedName: content.name,
  }, options);

  const sendPoll = (chat, { content }, options) => WPP.chat.sendCreatePollMessage(
    chat.id, content.question, content.options,
    { ...options, selectableCount: content.multiple ? 0 : 1 },
  );

  // WhatsApp itself chooses the id of a reaction.
  const sendReaction = (chat, { content }, { message }) =>
    WPP.chat.sendReactionToMessage(message, content.emoji || false);

  function sendFile(chat, submission, options) {
    const { content } = submission;
    const file = takeFile(submission.id, content);
    return WPP.chat.sendFileMessage(chat.id, file, {
      ...options, type: content.type, caption: content.caption, filename: content.filename,
      mimetype: content.mime, isPtt: Boolean(content.voice),
    });
  }

  const SENDERS = {
    text: sendText,
    image: sendFile,
    video: sendFile,
    audio: sendFile,
    document: sendFile,
    sticker: sendFile,
    location: sendLocation,
    contact: sendContact,
    poll: sendPoll,
    reaction: sendReaction,
  };

  // Only these are certain to go through the function that has the gate. A file may reach WhatsApp in
  // another way, so it counts as handed over from the moment wa-js is called.
  const GATED = new Set(["text", "location", "contact", "poll"]);

  /* ---------- results of WhatsApp ---------- */

  // The server itself refused the message.
  const buildRefusal = (message, server_code) =>
    Object.assign(new AdapterError("server_error", message), { server_code });

  // A result other than OK is a refusal by the server.
  // A lost network is not an answer: the server may have the message all the same.
  function requireAccepted(result) {
    const sent = result && result.sendMsgResult;
    const word = sent && typeof sent === "object" ? sent.messageSendResult : sent;
    if (!word || word === "OK") return;
    if (word === "ERROR_NETWORK") throw new AdapterError("outcome_unknown", word);
    const server_code = sent.ackErrorCode || sent.errorCode;
    if (!server_code) throw new AdapterError("outcome_unknown", word);
    throw buildRefusal(word, Number(server_code));
  }

  function waitForAck(model) {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (model.ack >= 1) resolve({});
        else if (model.ack < 0) reject(new AdapterError("outcome_unknown", `ack ${model.ack}`));
        else return;
        model.off("change:ack", check);
      };
      model.on("change:ack", check);
      check();
    });
  }

  /* ---------- submit ---------- */

  async function openChat({ chat_id }) {
    try {
      return WPP.chat.get(chat_id) || (await WPP.chat.find(chat_id));
    } catch (error) {
      throw new AdapterError("lookup_failed", String(error && error.message));
    }
  }

  // An id that the page already has is not sent a second time, unless WhatsApp gave it up.
  function findUnfailed({ chat_id, id }) {
    const model = findLoaded(id, chat_id);
    return model && model.ack >= 0 ? model : null;
  }

  // A message that the page already has comes first: it may leave at any time, even after its deadline.
  async function sendThroughGate(gate, submission) {
    const existing = findUnfailed(submission);
    if (existing) {
      gate.markHandedOver();
      return waitForAck(existing);
    }
    const chat = await openChat(submission);
    const { type } = submission.content;
    const options = buildOptions(chat, submission);
    if (!SENDERS[type]) throw new AdapterError("content_refused", `unknown content type ${type}`);
    gate.check();
    if (!isGateInstalled || !GATED.has(type)) gate.markHandedOver();
    requireAccepted(await SENDERS[type](chat, submission, options));
    return {};
  }

  // Until the hand-over the deadline counts; after it, the time that the ack may take.
  function startTimers(gate, submission) {
    return new Promise((_, reject) => {
      const remaining = Math.min(Math.max(0, gate.deadline - Date.now()), MAX_TIMER_MS);
      let timer = setTimeout(() => gate.expire(), remaining);
      gate.stopTimers = () => clearTimeout(timer);
      gate.onHandOver = () => {
        clearTimeout(timer);
        const fail = () => reject(new AdapterError("ack_timeout", "no ack in time"));
        timer = setTimeout(fail, Math.min(submission.ack_timeout_ms, MAX_TIMER_MS));
      };
    });
  }

  // The gate stays until the attempt itself has ended, so that a late attempt cannot pass without it.
  function startAttempt(gate, submission) {
    gates.set(submission.id, gate);
    const attempt = sendThroughGate(gate, submission);
    const removeGate = () => {
      if (gates.get(submission.id) === gate) gates.delete(submission.id);
    };
    attempt.then(removeGate, removeGate);
    return attempt;
  }

  async function submit(submission) {
    const previous = gates.get(submission.id);
    if (previous && previous.isHandedOver) {
      const error = new AdapterError("outcome_unknown", "it is being sent already");
      return { ...describeError(error), handed_over: true };
    }
    const gate = new Gate(submission);
    try {
      const timers = startTimers(gate, submission);
      await Promise.race([startAttempt(gate, submission), gate.closed, timers]);
      return { ok: true };
    } catch (error) {
      const { server_code = null, until_s = null } = error || {};
      return { ...describeError(error), handed_over: gate.isHandedOver, server_code, until_s };
    } finally {
      gate.isClosed = true;
      gate.stopTimers();
    }
  }

  installGate();
  return { submit, calls: { add_media_chunk, drop_media } };
}
