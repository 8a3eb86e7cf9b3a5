/*
 * All times are those of the document's monotonic clock (performance.now): it goes on while the browser is
 * frozen, and nobody can set it. A deadline was converted to it by page.py.
 *
 * Attempts: what this document has done to send a message, and what WhatsApp answered. An attempt passes
 * the gate once, before its deadline, while the page is connected, and only if no restriction forbids it.
 * It calls no function that sends: gate.js does.
 *
 * What fails before sendMsgRecord (WAWebSendMsgRecordAction) is called was certainly not sent. After that,
 * only the server's code or its ack is an answer.
 */
(shared) => {
  "use strict";

  const {
    AdapterError, addEvent, findConnectionProblem, findGroupProblem, findNewChatRestriction, missing, stopTurns,
  } = shared;

  const MAX_TIMER_MS = 2 ** 31 - 1; // a longer timer would fire at once
  const MAX_ATTEMPTS = 2000;

  const hooks = { hasRecord: false }; // whether the gate sees the calls of sendMsgRecord, as far as is known

  const isDuplicate = (error) => Boolean(error) && error.name === "DuplicateMessageError";

  // Only `ackErrorCode` is an answer of the server. Any other word stands for an error in the page, also
  // one that came after the ack (source: WAWebSendMsgRecordAction).
  function findResultError(result) {
    const word = result && typeof result === "object" ? result.messageSendResult : result;
    if (word === "OK") return null;
    const server_code = Number(result && result.ackErrorCode) || null;
    const code = server_code ? "server_error" : "outcome_unknown";
    return Object.assign(new AdapterError(code, String(word)), { server_code });
  }

  // A group is no new chat: somebody has added the account to it.
  function findRestriction(chat, { is_new_chat_allowed }) {
    if (chat && chat.id.isGroup()) return findGroupProblem(chat);
    const restriction = chat && findNewChatRestriction(chat, chat.contact, is_new_chat_allowed);
    return restriction && [restriction.code, "WhatsApp allows no new chats", restriction.until_s];
  }

  // By id: the last attempt of this document. A reload starts without any.
  const attempts = new Map();

  // Look-ups of submits, by id: a second submit of an id waits for the attempt of the first.
  const lookups = new Map();

  // One attempt to send one message.
  class Attempt {
    constructor(submission, isInDoubt) {
      this.submission = submission;
      this.chat = null; // of a new message
      this.model = null;
      this.isPassed = false; // WhatsApp's function was called
      this.ackDueSinceMs = Infinity; // only the ack is missing since then; an upload has its own timeout
      this.isClosed = false; // it may not be called any more
      this.isSending = false; // sendMsgRecord was called
      this.isEnded = false;
      this.isAccepted = false; // it ended with the server's ack
      this.isInDoubt = isInDoubt; // an earlier attempt may have reached the server
      this.isUnsent = false; // it ended, and certainly nothing was sent
      this.isGivenUp = false; // its submit has ended without an answer of the server
      this.lateServerCode = null; // of a refusal that came after that, until a look-up has reported it
      this.failed = new Promise((_, reject) => { this.fail = reject; });
      this.failed.catch(() => {});
      this.outcome = new Promise((resolve, reject) => { this.end = { resolve, reject }; });
      this.outcome.catch(() => {});
      this.startTimer(submission.submit_before_ms - performance.now(), () => this.expire());
    }

    get mayBeSent() {
      return this.isInDoubt || (this.isPassed && !this.isUnsent);
    }

    // Its submit reports that nothing was sent, and then nothing may be.
    get isCertainlyUnsent() {
      return this.isClosed && !this.mayBeSent;
    }

    // It is not decided yet whether WhatsApp's function is called.
    get isPreparing() {
      return !this.isPassed && !this.isClosed;
    }

    // The message is stored, and this page sends it at each connect until the server acks it.
    get isPending() {
      return this.isPassed && !this.isEnded && !this.isAcked;
    }

    startTimer(after_ms, onTimeout) {
      clearTimeout(this.timer);
      this.timer = setTimeout(onTimeout, Math.min(Math.max(0, after_ms), MAX_TIMER_MS));
    }

    // Thrown into the call of WhatsApp's function, the error proves that this attempt sends nothing.
    close(error) {
      this.isClosed = true;
      this.error = this.error || error;
      clearTimeout(this.timer);
      this.fail(this.error);
      return this.error;
    }

    expire() {
      return this.close(new AdapterError("timeout_before_submit", "the deadline passed in the page"));
    }

    check(chat) {
      if (this.isClosed || performance.now() >= this.submission.submit_before_ms) throw this.expire();
      const problem = findConnectionProblem() || findRestriction(chat, this.submission);
      if (problem) throw this.close(Object.assign(new AdapterError(...problem), { until_s: problem[2] }));
    }

    pass(chat) {
      if (this.isPassed) throw new AdapterError("outcome_unknown", "this attempt has been sent already");
      this.check(chat);
      this.isPassed = true;
      const { upload_timeout_ms, ack_timeout_ms } = this.submission;
      this.ackDueSinceMs = performance.now() + upload_timeout_ms;
      if (upload_timeout_ms) this.startTimer(upload_timeout_ms, () => this.cancelUpload());
      else this.startTimer(ack_timeout_ms, () => this.stopWaiting());
    }

    // The page cancels an upload in this way; the next messages of the chat then go on.
    cancelUpload() {
      this.startTimer(this.submission.ack_timeout_ms, () => this.stopWaiting());
      if (this.model) this.model.cancelUpload();
    }

    stopWaiting() {
      this.isGivenUp = true;
      this.fail(new AdapterError("ack_timeout", "no ack in time"));
    }

    // An ack ends the attempt, also one that a receipt implies.
    watch(model) {
      if (this.model === model || this.isEnded) return;
      this.model = model;
      this.onAck = () => {
        if (!this.isAcked || this.isEnded) return;
        if (this.isPassed && !this.isInDoubt) this.checkHook();
        this.settle(null);
      };
      model.on("change:ack", this.onAck);
    }

    // From here on, the message can be on its way to the server.
    onRecord(model) {
      if (!this.isPassed) missing.add("gate"); // WhatsApp went another way
      this.isPassed = this.isSending = true;
      this.ackDueSinceMs = performance.now();
      this.watch(model);
      const { upload_timeout_ms, ack_timeout_ms } = this.submission;
      if (upload_timeout_ms) this.startTimer(ack_timeout_ms, () => this.stopWaiting());
    }

    // The server has answered. If sendMsgRecord was not called, the page sends without it: from now on, an error
    // proves no more that nothing was sent.
    checkHook() {
      if (this.isSending || !hooks.hasRecord) return;
      hooks.hasRecord = false;
      missing.add("gate");
    }

    // The ack of the model wins over any result, and over any error after it.
    get isAcked() {
      return Boolean(this.model) && this.model.ack >= 1;
    }

    onResult(result) {
      if (this.isEnded) return;
      this.checkHook();
      const error = this.isAcked ? null : findResultError(result);
      this.isUnsent = Boolean(error && error.server_code);
      if (this.isUnsent) {
        if (this.isGivenUp) this.reportLate(error.server_code);
        stopTurns();
      }
      this.settle(error);
    }

    // At once, so that the account sends nothing more in vain; the look-up of the message then concludes it.
    reportLate(server_code) {
      this.lateServerCode = server_code;
      addEvent({ kind: "refusal", id: this.submission.id, server_code });
    }

    // Once: who reads it restricts the account, and may submit the message again after that.
    takeLateServerCode() {
      const server_code = this.lateServerCode;
      this.lateServerCode = null;
      return server_code;
    }

    onError(error) {
      if (this.isEnded) return;
      if (this.isAcked) {
        this.settle(null);
        return;
      }
      this.isUnsent = hooks.hasRecord && !this.isSending;
      const isUpload = this.isUnsent && this.submission.upload_timeout_ms && !isDuplicate(error);
      this.settle(isUpload ? this.describeUpload(error) : error);
    }

    // The servers for files have a limit of their own, which the page does not check first.
    describeUpload(error) {
      const { mediaObject } = this.model || {};
      const isTooLarge = Boolean(mediaObject) && mediaObject.uploadStage === "ERROR_TOO_LARGE";
      return new AdapterError(isTooLarge ? "media_too_large" : "media_upload_failed", String(error && error.message));
    }

    settle(error) {
      this.isEnded = true;
      this.isAccepted = !error;
      this.isClosed = true;
      clearTimeout(this.timer);
      if (this.model) this.model.off("change:ack", this.onAck);
      if (error) this.end.reject(error);
      else this.end.resolve({});
    }
  }

  function startAttempt(submission, isInDoubt) {
    const { id } = submission;
    const attempt = new Attempt(submission, isInDoubt);
    attempts.delete(id);
    attempts.set(id, attempt);
    removeOldAttempt();
    return attempt;
  }

  // An attempt that is over only tells whether something can have been sent before: the oldest may go.
  function removeOldAttempt() {
    if (attempts.size <= MAX_ATTEMPTS) return;
    for (const [id, attempt] of attempts) {
      if (!attempt.isPreparing && !attempt.isPending) return attempts.delete(id);
    }
  }

  // Messages that this page has handed over and the server has not acked: a reload would fail them. Also
  // since when the oldest of them, or the oldest look-up, has not got any further.
  function readPending() {
    const pending = [...attempts.values()].filter((attempt) => attempt.isPending);
    const dueTimes = pending.map((attempt) => attempt.ackDueSinceMs);
    const lookupTimes = [...lookups.values()].map((lookup) => lookup.sinceMs);
    const sinceMs = Math.min(...dueTimes, ...lookupTimes);
    return { pending: pending.length, pending_since_ms: sinceMs <= performance.now() ? sinceMs : null };
  }

  return {
    internal: { attempts, lookups, hooks, startAttempt, isDuplicate, readPending, MAX_TIMER_MS },
  };
}
