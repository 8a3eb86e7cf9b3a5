/*
 * The adapter: the only code of this project in WhatsApp's page, and all that Python knows of wa-js.
 *
 * It is evaluated once per document, as soon as wa-js can read the page, and returns an object of calls.
 * A page without a connection never becomes "fully ready", and its state must be known all the same: so
 * the calls that need the whole page are added later. Each call returns {ok: true, …} or {ok: false, code,
 * message}. A call may not throw, and the adapter may not leave a global behind. `parts` are the other files
 * of this folder and of those in it; page.py puts them together.
 */
(parts) => {
  "use strict";

  const WPP = window.WPP;
  const functions = WPP.whatsapp.functions;

  /* ---------- results ---------- */

  class AdapterError extends Error {
    constructor(code, message) {
      super(message);
      this.code = code;
    }
  }

  const describeError = (error) => ({
    ok: false,
    code: error && typeof error.code === "string" ? error.code : "page_error",
    message: String((error && error.message) || error),
  });

  const catchErrors = (call) => async (argument) => {
    try {
      return { ok: true, ...(await call(argument || {})) };
    } catch (error) {
      return describeError(error);
    }
  };

  /* ---------- reading the page ---------- */

  // What this page does not offer; reported with every state.
  const { missing } = parts.symbols(WPP);

  // One missing symbol must not hide the rest of the state: its name is reported in `missing`.
  function readOrNull(name, read) {
    try {
      return read();
    } catch (error) {
      missing.add(name);
      return null;
    }
  }

  // The same for what is only useful: the page may be without it.
  function tryRead(read) {
    try {
      return read();
    } catch (error) {
      return null;
    }
  }

  const modules = new Map();

  // A module of WhatsApp by its name, or null. It may be loaded later, so only what exists is kept.
  function loadModule(name) {
    if (!modules.has(name)) {
      const module = WPP.loader.moduleRequire(name);
      if (!module) return null;
      modules.set(name, module);
    }
    return modules.get(name);
  }

  /* ---------- what must hold before anything is requested of WhatsApp ---------- */

  // In one turn, without a wait: the gate calls it in the very turn of a submit.
  function findConnectionProblem() {
    if (!connection.isAuthenticated()) return ["not_logged_in", "the page is not linked"];
    if (linking.isLeaving()) return ["not_logged_in", "the page is logging out"];
    const ban = restrictions.findBan();
    if (ban) return ["account_restricted", ban.reason];
    if (!connection.isConnected()) return ["disconnected", connection.describeConnection()];
    if (!connection.isOfflineDeliveryEnded()) {
      return ["disconnected", "the offline delivery has not ended"];
    }
    return null;
  }

  function requireConnection() {
    const problem = findConnectionProblem();
    if (problem) throw new AdapterError(...problem);
  }

  /* ---------- the parts ---------- */

  // Parts that need every module of the page. What was missing before may have been loaded since.
  function completeAdapter() {
    missing.clear();
    try {
      const acks = parts.acks({ ...shared, ...session.internal });
      const turns = parts.turns(shared);
      const groups = parts.groups(shared);
      const attempts = parts.attempts({
        ...shared, ...groups.internal, ...turns.internal, ...session.internal,
      });
      const gate = parts.gate({ ...shared, ...attempts.internal });
      const base = { ...shared, ...groups.internal, ...attempts.internal, ...gate.internal };
      const store = parts.store(base);
      const changes = parts.changes({ ...base, ...store.internal });
      const contents = parts.contents({ ...base, ...store.internal, ...changes.internal });
      const sending = parts.sending({
        ...base, ...acks.internal, ...store.internal, ...changes.internal, ...contents.internal, ...turns.internal,
      });
      const chats = parts.chats({ ...base, ...store.internal });
      const incoming = parts.incoming({ ...base, ...store.internal, ...session.internal });
      addCalls({
        ...turns.calls, ...groups.calls, ...store.calls, ...contents.calls, ...chats.calls, ...incoming.calls,
      });
      Object.assign(adapter, contents.elements); // not calls: what they return is used as it is
      // The result of `submit` has fields of its own, also when it failed.
      adapter.submit = sending.submit;
      shared.late = { ...store.internal, ...attempts.internal };
      isComplete = true;
    } catch (error) {
      missing.add("adapter");
      console.error("the adapter is not complete", error);
    }
  }

  function addCalls(calls) {
    for (const [name, call] of Object.entries(calls)) adapter[name] = catchErrors(call);
  }

  let isComplete = false;
  const adapter = {};
  const shared = {
    WPP, functions, AdapterError, describeError, missing, readOrNull, tryRead, loadModule,
    requireConnection, findConnectionProblem, isComplete: () => isComplete, late: {},
  };
  const connection = parts.connection(shared);
  const restrictions = parts.restrictions(shared);
  const linking = parts.linking({ ...shared, ...connection });
  const { findNewChatRestriction } = restrictions;
  Object.assign(shared, { connection, restrictions, linking, findNewChatRestriction });
  const session = parts.session(shared);
  addCalls({ ...linking.calls, ...session.calls });
  if (WPP.isFullReady) completeAdapter();
  else WPP.loader.onFullReady(completeAdapter);
  return adapter;
}
