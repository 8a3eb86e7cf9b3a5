/*
 * What the page does when the server refuses it: at the login (a failure), or later (a stream error).
 * Nothing here may decide what the server refuses.
 */

/* Source: WAWebFailureErrorCodes. */
define("WAWebFailureErrorCodes", (exports) => {
  exports.FAILURE_REASON = {
    REASON_GENERIC_FAILURE: 400, REASON_NOT_AUTHORIZED: 401, REASON_TEMP_BANNED: 402,
    REASON_LOCKED: 403, REASON_CLIENT_TOO_OLD: 405, REASON_BANNED: 406, REASON_BAD_USER_AGENT: 409,
    REASON_INTERNAL_SERVER_ERROR: 500, REASON_EXPERIMENTAL: 501, REASON_SERVICE_UNAVAILABLE: 503,
  };
});

/* The new version comes with the reload. Source: WAWebUpdater. */
define("WAWebUpdater", (exports, require) => {
  exports.Updater = {
    update({ belowHard }) {
      require("WAWebStreamModel").Stream.needsUpdate = true;
      if (typeof belowHard === "number") setTimeout(() => location.reload(), belowHard);
    },
  };
});

/*
 * Source: WAWebHandleFailure. After a ban and after 503 the page connects again with its usual back-off.
 * `expire` is the number of seconds that remain.
 */
define("WAWebHandleFailure", (exports, require) => {
  const { FAILURE_REASON } = require("WAWebFailureErrorCodes");
  const getBus = () => require("WAWebBackendEventBus").BackendEventBus;
  const getLogout = () => require("WAWebSandboxLogout");

  function lockAccount(failure) {
    require("WAComms").stopComms();
    return getLogout().logOutWithoutRequest("account_locked", failure);
  }

  function logOut() {
    require("WAComms").stopComms();
    return getLogout().logOutWithoutRequest();
  }

  function forceUpdate() {
    require("WAWebUpdater").Updater.update({ version: null, belowSoft: false, belowHard: 0 });
    require("WAComms").stopComms();
  }

  function ban({ code, expire, message, url }) {
    getBus().triggerTemporaryBan({ banned: true, code, expire, message, url });
  }

  const HANDLERS = {
    [FAILURE_REASON.REASON_LOCKED]: lockAccount,
    [FAILURE_REASON.REASON_NOT_AUTHORIZED]: logOut,
    [FAILURE_REASON.REASON_BANNED]: logOut,
    [FAILURE_REASON.REASON_CLIENT_TOO_OLD]: forceUpdate,
    [FAILURE_REASON.REASON_BAD_USER_AGENT]: forceUpdate,
    [FAILURE_REASON.REASON_TEMP_BANNED]: ban,
    [FAILURE_REASON.REASON_SERVICE_UNAVAILABLE]: () => getBus().triggerServiceUnavailable(),
  };

  exports.default = async (failure) => {
    const handle = HANDLERS[failure.reason];
    if (handle) await handle(failure);
    else console.warn("handleFailure: got failure code", failure.reason);
  };
});

/* Source: WAWebHandleStreamError. After `replaced`, nothing connects again before a reload. */
define("WAWebHandleStreamError", (exports, require) => {
  exports.default = async ({ type }) => {
    require("WAComms").stopComms();
    if (type !== "device_removed") return;
    require("WAWebBackendEventBus").BackendEventBus.triggerStartingLogout();
    await require("WAWebSandboxLogout").logOutWithoutRequest();
  };
});

/* Sources: WAWebHandleSuccess, WAWebUserPrefsMeUser. A success ends a ban. */
define("WAWebHandleSuccess", (exports, require) => {
  exports.default = (account) => {
    require("WAWebSandboxLogin").logIn(account);
    require("WAWebBackendEventBus").BackendEventBus.triggerTemporaryBan({ banned: false });
  };
});

define("WAWebSandboxLogin", (exports, require) => {
  exports.logIn = ({ me, lid, device }) => {
    const { session, save } = require("WAWebSandboxSession");
    Object.assign(session, { me, lid, device });
    save();
    const wid = require("WAWebWidFactory").createWid(me);
    require("WAWebConnModel").Conn.set({ ref: undefined, connected: true, wid });
    require("WAWebUserPrefsIsLoggedIn").setIsConnectedAsRegistered(true);
  };
});
