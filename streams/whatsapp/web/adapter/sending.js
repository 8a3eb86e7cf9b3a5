/*
 * Submits messages. What is done with an id follows from the store: a message that the server has is
 * accepted, one that this page still sends is waited for, one that failed or that an earlier page left is
 * sent again under its id, and only an id that is not in the store becomes a new message.
 */
(shared) => {
  "use strict";

  const {
    WPP, AdapterError, MAX_TIMER_MS, describeError, missing, findModule, attempts, lookups, startAttempt,
    isGated, isAbsent, isDuplicate, findMessage, reloadMessage, findReactionAck, listChats, hasLeft,
    startWaiting, stopWaiting, buildOptions, sendContent, restoreFile, dropMedia, isGroup, requireWritable, isChange,
    beginTurn, waitForTurn,
  } = shared;

  const resendModule = findModule("WAWebResendMsgAction", "resendMsg");
  if (!resendModule) missing.add("resendMsg");

  /* ---------- waiting for an attempt of another submit ---------- */

  // Until it ends, the attempt may send the message at any time, also after this submit's deadline.
  async function waitForAttempt(attempt, { ack_timeout_ms }) {
    const { isPreparing, outcome, failed } = attempt;
    let timer = null;
    const timeout = new Promise((_, reject) => {
      const error = new AdapterError("ack_timeout", "no ack in time");
      const fail = () => reject(Object.assign(error, { isInDoubt: true }));
      timer = setTimeout(fail, Math.min(ack_timeout_ms, MAX_TIMER_MS));
    });
    try {
      await Promise.race([outcome, timeout, ...(isPreparing ? [failed] : [])]);
    } finally {
      clearTimeout(timer);
    }
  }

  /* ---------- a new message ---------- */

  // A chat that the page does not have and cannot open: the number may have left WhatsApp since it was
  // looked up. Only the server's answer tells.
  async function describeMissingChat(chatId, error) {
    try {
      if (!isGroup(chatId) && await hasLeft(chatId)) return new AdapterError("recipient_not_on_whatsapp", "it is not there any more");
    } catch (lookupError) {
      console.error("the number of the chat cannot be looked up", lookupError);
    }
    return new AdapterError("lookup_failed", String(error && error.message));
  }

  async function openChat({ chat_id }) {
    if (isGroup(chat_id)) await requireWritable(chat_id);
    try {
      return listChats(chat_id)[0] || (await WPP.chat.find(chat_id));
    } catch (error) {
      throw await describeMissingChat(chat_id, error);
    }
  }

  // The page would refuse it only after it has stored it (source: WAWebSendMsgRecordAction).
  function requireUnblocked(chat) {
    const { BlocklistStore } = WPP.whatsapp;
    if (BlocklistStore && BlocklistStore.get(chat.id)) {
      throw new AdapterError("content_refused", "the account has blocked this contact");
    }
  }

  // Until the attempt passes the gate, an error of the call is a certain refusal. After that, WhatsApp's
  // own promises decide: those of wa-js may wait for an event that never comes.
  async function followCall(attempt, call) {
    try {
      const result = await call;
      if (attempt.isPassed) return;
      missing.add("gate"); // it was sent another way
      attempt.isPassed = true;
      attempt.onResult(result && result.sendMsgResult);
    } catch (error) {
      if (!attempt.isPassed) attempt.close(error);
    }
  }

  // A page that offers no gate: the message counts as handed over from the call on.
  function followUngatedCall(attempt, call) {
    call.then(
      (result) => attempt.onResult(result && result.sendMsgResult),
      (error) => attempt.onError(error),
    );
  }

  async function sendNew(attempt, submission, isRepeated = false) {
    const chat = await openChat(submission);
    attempt.chat = chat;
    requireUnblocked(chat);
    if (isAbsent(submission.content.type)) {
      throw new AdapterError("page_incomplete", "WhatsApp Web offers no function to send this");
    }
    const options = await buildOptions(chat, submission);
    if (isGated(submission.content.type)) {
      attempt.check(chat);
      followCall(attempt, sendContent(chat, submission, options, attempt, isRepeated));
    } else {
      attempt.pass(chat);
      followUngatedCall(attempt, sendContent(chat, submission, options, attempt, isRepeated));
    }
    return attempt.outcome;
  }

  /* ---------- a message that is in the store ---------- */

  const isFailed = (model) => Boolean(model.isSendFailure) || model.ack < 0;

  // resendMsg sets the ack to 0 in the database first, and then in the model. A server that answers before
  // that would have its ack overwritten (source: WAWebResendMsgAction).
  function repairAck(attempt, model) {
    if (typeof model.enqueueAckUpdate !== "function") return;
    model.enqueueAckUpdate(async () => {
      if (attempt.isAccepted && model.ack < 1) await model.updateAck(1);
    });
  }

  // WhatsApp's "try again". It does nothing for a message that does not count as failed (source:
  // WAWebResendMsgAction), as one that the page never marked.
  async function sendAgain(attempt, model, submission) {
    attempt.watch(model);
    if (!resendModule) throw new AdapterError("page_incomplete", "WhatsApp Web cannot send it again");
    const chat = await openChat(submission);
    if (model.mediaObject) await restoreFile(model, submission);
    attempt.pass(chat);
    if (!isFailed(model)) model.set({ isSendFailure: true });
    const onEnd = (word) => {
      if (word) attempt.onResult(word);
      else attempt.onError(new Error("WhatsApp Web did not send the message again"));
    };
    const call = (async () => resendModule.resendMsg(model))(); // an error at once is its error, too
    call.then(onEnd, (error) => attempt.onError(error));
    repairAck(attempt, model);
    return attempt.outcome;
  }

  /* ---------- submit ---------- */

  // Without an answer of the database, WhatsApp itself refuses an id that is stored.
  async function findStored({ id, chat_id, content }) {
    try {
      if (content.type !== "reaction") return await findMessage(id, chat_id);
      const ack = await findReactionAck(id, chat_id);
      return ack === null ? null : { ack, isReaction: true };
    } catch (error) {
      console.error("the database gives no answer", error);
      return null;
    }
  }

  // Whether an earlier attempt may have reached the server. Of an attempt of an earlier page, the model
  // alone tells: WhatsApp gives a text ack -1 if the server refused it, but a file or a reaction also for
  // other reasons.
  function isInDoubt(id, model) {
    if (attempts.has(id)) return attempts.get(id).mayBeSent;
    return Boolean(model) && (model.ack === 0 || Boolean(model.mediaObject || model.isReaction));
  }

  async function runAttempt(submission, model) {
    const attempt = startAttempt(submission, isInDoubt(submission.id, model));
    try {
      // A reaction, an edit and a revoke are sent again as new ones.
      const isStored = model && !model.isReaction && !isChange(submission.content.type);
      const run = isStored ? sendAgain(attempt, model, submission) : sendNew(attempt, submission, Boolean(model));
      await Promise.race([run, attempt.failed]);
    } finally {
      if (!attempt.isPassed) attempt.close(new AdapterError("page_error", "the attempt has ended"));
    }
  }

  const submitStored = async (submission, model) =>
    (model && model.ack >= 1 ? undefined : runAttempt(submission, model));

  // WhatsApp has the id, although it was not found.
  async function submitDuplicate(submission) {
    const model = await reloadMessage(submission.id, submission.chat_id);
    if (model) return submitStored(submission, model);
    const error = new AdapterError("outcome_unknown", "WhatsApp has this id and does not show it");
    throw Object.assign(error, { isInDoubt: true });
  }

  // A reaction has no model: its ack is in the table alone.
  async function isReactionAcked(submission, error) {
    if (submission.content.type !== "reaction" || error.server_code) return false;
    const stored = await findStored(submission);
    return stored !== null && stored.ack >= 1;
  }

  // The look-up goes on while the message before this one waits for its ack.
  async function prepare(submission) {
    const model = await findStored(submission);
    await waitForTurn(submission);
    return model;
  }

  // Another submit of this id finds either the look-up or the attempt: nothing is awaited between the two.
  async function startPrepared(submission) {
    const { id } = submission;
    const prepared = prepare(submission);
    lookups.set(id, { ended: prepared.catch(() => {}), sinceMs: performance.now() });
    try {
      const model = await prepared;
      return { running: submitStored(submission, model) };
    } finally {
      lookups.delete(id);
    }
  }

  async function submitOnce(submission) {
    const { id } = submission;
    while (lookups.has(id)) await lookups.get(id).ended;
    const earlier = attempts.get(id);
    if (earlier && (earlier.isPreparing || earlier.isPending)) return waitForAttempt(earlier, submission);
    const { running } = await startPrepared(submission);
    try {
      return await running;
    } catch (error) {
      if (isDuplicate(error)) return submitDuplicate(submission);
      if (await isReactionAcked(submission, error)) return null;
      throw error;
    }
  }

  function describeFailure(id, error) {
    const { server_code = null, until_s = null } = error || {};
    const attempt = attempts.get(id);
    const handed_over = Boolean((error && error.isInDoubt) || (attempt && attempt.mayBeSent));
    if (server_code && attempt) attempt.takeLateServerCode(); // this submit reports it
    return { ...describeError(error), handed_over, server_code, until_s };
  }

  async function submit(submission) {
    const { id } = submission;
    startWaiting(id);
    const turn = beginTurn(id);
    try {
      await submitOnce(submission);
      turn.end(true);
      return { ok: true };
    } catch (error) {
      return describeFailure(id, error);
    } finally {
      turn.end(false);
      stopWaiting(id);
      dropMedia({ token: id });
    }
  }

  return { submit };
}
