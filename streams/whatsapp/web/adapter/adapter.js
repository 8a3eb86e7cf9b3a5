/*
 * The adapter: the only code of this project in WhatsApp's page, and all that Python knows of wa-js.
 *
 * It is evaluated once per document, after wa-js is fully ready, and returns an object of calls.
 * Each call returns {ok: true, …} or {ok: false, code, message}. A call may not throw, and the
 * adapter may not leave a global behind. `parts` are the other files of this folder; page.py puts
 * them together.
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

  /* ---------- what must hold before anything is requested of WhatsApp ---------- */

  function findConnectionProblem() {
    if (!WPP.conn.isAuthenticated()) return ["not_logged_in", "the page is not linked"];
    const { mode } = WPP.conn.getStreamData();
    if (/BLOCK/.test(mode)) return ["account_restricted", mode];
    if (mode !== "MAIN") return ["disconnected", `stream is ${mode}`];
    return WPP.conn.isOnline() === false ? ["disconnected", "the page is offline"] : null;
  }

  function requireConnection() {
    const problem = findConnectionProblem();
    if (problem) throw new AdapterError(...problem);
  }

  // What this page does not offer; reported with every state.
  const { missing } = parts.symbols(WPP);
  const shared = {
    WPP, functions, AdapterError, describeError, requireConnection, findConnectionProblem, missing,
  };
  const session = parts.session(shared);
  const store = parts.store(shared);
  const sending = parts.sending({ ...shared, ...store.internal });

  const calls = { ...session.calls, ...store.calls, ...sending.calls };
  // The result of `submit` has fields of its own, also when it failed.
  const adapter = { submit: sending.submit };
  for (const [name, call] of Object.entries(calls)) adapter[name] = catchErrors(call);
  return adapter;
}
