/*
 * The adapter: the only code of ours in WhatsApp's page, and all that Python knows of wa-js.
 *
 * It is evaluated once per document after wa-js is fully ready, and returns an object of calls.
 * Each call answers {ok: true, …} or {ok: false, code, message}; none throws, and no global is left
 * behind. `parts` are the other files of this folder; page.py puts them together.
 */
(parts) => {
  "use strict";

  const WPP = window.WPP;
  const functions = WPP.whatsapp.functions;

  /* ---------- answers ---------- */

  class Refusal extends Error {
    constructor(code, message) {
      super(message);
      this.code = code;
    }
  }

  const describe = (error) => ({
    ok: false,
    code: error && typeof error.code === "string" ? error.code : "page_error",
    message: String((error && error.message) || error),
  });

  const answering = (call) => async (argument) => {
    try {
      return { ok: true, ...(await call(argument || {})) };
    } catch (error) {
      return describe(error);
    }
  };

  /* ---------- what must hold before anything is asked of WhatsApp ---------- */

  function connectionProblem() {
    if (!WPP.conn.isAuthenticated()) return ["not_logged_in", "the page is not linked"];
    const { mode } = WPP.conn.getStreamData();
    if (/BLOCK/.test(mode)) return ["account_restricted", mode];
    if (mode !== "MAIN") return ["disconnected", `stream is ${mode}`];
    return WPP.conn.isOnline() === false ? ["disconnected", "the page is offline"] : null;
  }

  function requireConnection() {
    const problem = connectionProblem();
    if (problem) throw new Refusal(...problem);
  }

  // Names of what the page no longer offers; told with every state.
  const broken = new Set();
  const shared = { WPP, functions, Refusal, describe, requireConnection, connectionProblem, broken };
  const session = parts.session(shared);
  const store = parts.store(shared);
  const sending = parts.sending({ ...shared, ...store.internal });

  const calls = { ...session.calls, ...store.calls, ...sending.calls };
  // An answer of `submit` has a form of its own.
  const adapter = { submit: sending.submit };
  for (const [name, call] of Object.entries(calls)) adapter[name] = answering(call);
  return adapter;
}
