/*
 * The gate: a message may leave the page through it alone. WhatsApp's functions are wrapped in the exports
 * of their modules, through which the page calls them; an attempt is checked in the same turn of the event
 * loop in which WhatsApp's own function goes on.
 *
 *   addAndSendMsgToChat (WAWebSendMsgChatAction)         stores a new message and sends it
 *   addAndSendAddonToChat (WAWebSendAddonMsgChatAction)  the same for a reaction
 *   sendMsgRecord (WAWebSendMsgRecordAction)             sends what is stored, also for resendMsg; the only
 *                                                        way of an edit and of a revoke
 */
(shared) => {
  "use strict";

  const { WPP, functions, AdapterError, attempts, hooks, missing, tryRead, loadModule } = shared;

  const reactions = new Map(); // attempts of reactions, by target and emoji
  const changes = new Map(); // attempts of edits and revokes, by the id of the message that they change

  // By the module's name, else by what it exports: a search looks at every module of the page.
  function findModule(moduleName, name) {
    const hasFunction = (module) => Boolean(module) && typeof module[name] === "function";
    const module = tryRead(() => loadModule(moduleName));
    return hasFunction(module) ? module : WPP.loader.search(hasFunction);
  }

  const absent = new Set();

  // Returns whether the page calls the wrapper: one that nobody calls would be no gate.
  function wrap(moduleName, name, makeWrapper) {
    const module = findModule(moduleName, name);
    if (!module) {
      absent.add(name);
      missing.add(name);
      return false;
    }
    const wrapper = makeWrapper(module[name]);
    module[name] = wrapper;
    const isInstalled = module[name] === wrapper && (functions[name] || wrapper) === wrapper;
    if (!isInstalled) missing.add("gate");
    return isInstalled;
  }

  const findAttempt = (data) => attempts.get(data && data.id && data.id.id);

  function observe(attempt, [stored, sent]) {
    stored.then((model) => attempt.watch(model), () => {});
    sent.then((result) => attempt.onResult(result), (error) => attempt.onError(error));
  }

  // WhatsApp's function may also fail at once.
  function callFor(attempt, call) {
    try {
      return call();
    } catch (error) {
      if (attempt) attempt.onError(error);
      throw error;
    }
  }

  const wrapMessage = (send) => function (chat, raw, beforeSend) {
    const passAndSend = (data) => {
      const attempt = findAttempt(data);
      if (attempt) attempt.pass(chat);
      return attempt;
    };
    if (!raw || typeof raw.then !== "function") {
      const attempt = passAndSend(raw);
      const promises = callFor(attempt, () => send.apply(this, arguments));
      if (attempt) observe(attempt, promises);
      return promises;
    }
    // A file: the page passes a promise, and stores the message when it is resolved.
    let attempt = null;
    const gated = raw.then((data) => {
      attempt = passAndSend(data);
      return data;
    });
    const promises = send.call(this, chat, gated, beforeSend);
    gated.then(() => attempt && observe(attempt, promises), () => promises[0].catch(() => {}));
    return promises;
  };

  const findChange = ({ protocolMessageKey }) => protocolMessageKey && changes.get(protocolMessageKey.id);

  const wrapRecord = (send) => function (model) {
    const change = findChange(model);
    const attempt = change || findAttempt(model);
    if (attempt && attempt.isCertainlyUnsent) {
      throw attempt.close(new AdapterError("outcome_unknown", "its submit has ended"));
    }
    if (!attempt || attempt.isEnded) return send.apply(this, arguments);
    if (change) change.pass(change.chat);
    attempt.onRecord(model);
    const sent = callFor(attempt, () => send.apply(this, arguments));
    sent.then((result) => attempt.onResult(result), (error) => attempt.onError(error));
    return sent;
  };

  const describeReaction = (target, emoji) => `${target} ${emoji}`;

  // The page chooses an id for the reaction; with ours it can be looked up, also after a reload.
  const wrapReaction = (send) => function (data) {
    const target = data.reactionParentKey && data.reactionParentKey.id;
    const attempt = reactions.get(describeReaction(target, data.reactionText));
    if (!attempt) return send.apply(this, arguments);
    attempt.pass(attempt.chat);
    attempt.isSending = true;
    const { remote, fromMe, participant } = data.id;
    const key = { remote, fromMe, participant, id: attempt.submission.id };
    const addon = { ...data, id: new WPP.whatsapp.MsgKey(key) };
    const sent = callFor(attempt, () => send.call(this, addon));
    sent.then((result) => attempt.onResult(result), (error) => attempt.onError(error));
    return sent;
  };

  // While `call` runs, a reaction with this emoji to this message belongs to the attempt.
  async function sendReaction(attempt, target, emoji, call) {
    const name = describeReaction(target, emoji);
    reactions.set(name, attempt);
    try {
      return await call();
    } finally {
      if (reactions.get(name) === attempt) reactions.delete(name);
    }
  }

  // While `call` runs, an edit or a revoke of this message belongs to the attempt.
  async function sendChange(attempt, target, call) {
    changes.set(target, attempt);
    try {
      return await call();
    } finally {
      if (changes.get(target) === attempt) changes.delete(target);
    }
  }

  const hasMessageGate = wrap("WAWebSendMsgChatAction", "addAndSendMsgToChat", wrapMessage);
  hooks.hasRecord = wrap("WAWebSendMsgRecordAction", "sendMsgRecord", wrapRecord);
  const hasReactionGate = wrap("WAWebSendAddonMsgChatAction", "addAndSendAddonToChat", wrapReaction);
  const MESSAGE_GATE = { name: "addAndSendMsgToChat", isInstalled: () => hasMessageGate };
  const RECORD_GATE = { name: "sendMsgRecord", isInstalled: () => hooks.hasRecord };
  const OTHER_GATES = {
    reaction: { name: "addAndSendAddonToChat", isInstalled: () => hasReactionGate },
    edit: RECORD_GATE,
    revoke: RECORD_GATE,
  };
  const getGate = (type) => OTHER_GATES[type] || MESSAGE_GATE;
  const isAbsent = (type) => absent.has(getGate(type).name);
  const isGated = (type) => getGate(type).isInstalled();

  return { internal: { findModule, isGated, isAbsent, sendReaction, sendChange } };
}
