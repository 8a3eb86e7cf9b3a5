/*
 * Logging out: the reasons, what is cleared, and the reload that follows. Nothing else may clear the session.
 */

/* Source: WAWebLogoutReasonConstants. */
define("WAWebLogoutReasonConstants", (exports) => {
  exports.LogoutReason = {
    UserInitiated: "user_initiated",
    SyncdFailure: "syncd_failure",
    InvalidAdvStatus: "invalid_adv_status",
    CriticalSyncTimeout: "critical_sync_timeout",
    SyncdTimeout: "syncd_timeout",
    HistorySyncTimeout: "history_sync_timeout",
    AccountSyncTimeout: "account_sync_timeout",
    MDOptOut: "md_opt_out",
    UnknownCompanion: "unknown_companion",
    ClientVersionOutdated: "client_version_outdated",
    SyncdErrorDuringBootstrap: "syncd_error_during_bootstrap",
    AccountSyncError: "account_sync_error",
    StorageQuotaExceeded: "storage_quota_exceeded",
    PrimaryIdentityKeyChange: "primary_identity_key_change",
    MissingEncSalt: "missing_enc_salt",
    MissingScreenLockSalt: "missing_screen_lock_salt",
    AccountLocked: "account_locked",
    LidMigrationUnmigratedCompanion: "lid_migration_unmigrated_companion",
    LidMigrationStateDiscrepancy: "lid_migration_state_discrepancy",
    LidBlocklistPnWhenMigrated: "lid_blocklist_pn_when_migrated",
    LidBlocklistChatDbUnmigrated: "lid_blocklist_chat_db_unmigrated",
    WebFailAddChat: "web_fail_add_chat",
    WebFailOfflineResume: "web_fail_offline_resume",
    WebFailStorageInitialization: "web_fail_storage_initialization",
    WebFailEncSalt: "web_fail_enc_salt",
    CacheStorageOpenFailed: "cache_storage_open_failed",
  };
  exports.LOGOUT_REASON_CODE = {
    CLIENT_FATAL: "0", SYNC_FAIL: "1", INITIAL_HISTORY_SYNC_TIMEOUT: "2", ACCOUNT_LOCKED: "3",
  };
});

/* wa-js wraps getErrorCodeFromLogoutReason to learn the reason. Source: WAWebLogoutReason. */
define("WAWebLogoutReason", (exports, require) => {
  const { LogoutReason, LOGOUT_REASON_CODE } = require("WAWebLogoutReasonConstants");
  const CODES = new Map([
    [LogoutReason.WebFailAddChat, LOGOUT_REASON_CODE.CLIENT_FATAL],
    [LogoutReason.WebFailEncSalt, LOGOUT_REASON_CODE.CLIENT_FATAL],
    [LogoutReason.WebFailOfflineResume, LOGOUT_REASON_CODE.CLIENT_FATAL],
    [LogoutReason.WebFailStorageInitialization, LOGOUT_REASON_CODE.CLIENT_FATAL],
    [LogoutReason.SyncdFailure, LOGOUT_REASON_CODE.SYNC_FAIL],
    [LogoutReason.SyncdErrorDuringBootstrap, LOGOUT_REASON_CODE.SYNC_FAIL],
    [LogoutReason.AccountSyncError, LOGOUT_REASON_CODE.SYNC_FAIL],
    [LogoutReason.SyncdTimeout, LOGOUT_REASON_CODE.SYNC_FAIL],
    [LogoutReason.CriticalSyncTimeout, LOGOUT_REASON_CODE.SYNC_FAIL],
    [LogoutReason.HistorySyncTimeout, LOGOUT_REASON_CODE.INITIAL_HISTORY_SYNC_TIMEOUT],
    [LogoutReason.AccountLocked, LOGOUT_REASON_CODE.ACCOUNT_LOCKED],
  ]);
  let previousCode = null;
  let previousMessage = null;

  exports.getErrorCodeFromLogoutReason = (reason) => CODES.get(reason) || null;
  exports.setPrevLogoutReasonCode = (code) => { previousCode = code; };
  exports.getPrevLogoutReasonCode = () => previousCode;
  exports.setPrevCustomLogoutMessage = (message) => { previousMessage = message; };
  exports.getPrevCustomLogoutMessage = () => previousMessage;
});

/* Source: WAWebReloadAfterLogout. Only some reasons have a code, and only a code is in the address. */
define("WAWebReloadAfterLogout", (exports, require) => {
  exports.POST_LOGOUT_URL_MARKERS = [
    "post_logout", "logout_reason", "logout_message_header", "logout_message_subtext",
  ];

  function addMessage(parameters, { logoutMessageHeader, logoutMessageSubtext }) {
    if (logoutMessageHeader) parameters.set("logout_message_header", logoutMessageHeader);
    if (logoutMessageSubtext) parameters.set("logout_message_subtext", logoutMessageSubtext);
  }

  exports.reloadAfterLogout = (hasFailed, reason, message) => {
    const parameters = new URLSearchParams(location.search);
    for (const name of exports.POST_LOGOUT_URL_MARKERS) parameters.delete(name);
    parameters.set("post_logout", "1");
    const { getErrorCodeFromLogoutReason } = require("WAWebLogoutReason");
    const code = reason && getErrorCodeFromLogoutReason(reason);
    if (code) parameters.set("logout_reason", code);
    if (reason === "account_locked" && message) addMessage(parameters, message);
    location.href = `${location.pathname}?${parameters}`;
  };
});

/* The page after a logout takes the marks out of its address. Source: WAWebHandlePreviousLogout. */
define("WAWebHandlePreviousLogout", (exports, require) => {
  exports.handlePreviousLogout = () => {
    const parameters = new URLSearchParams(location.search);
    const reason = require("WAWebLogoutReason");
    const code = parameters.get("logout_reason");
    if (code !== null) reason.setPrevLogoutReasonCode(code);
    const logoutMessageHeader = parameters.get("logout_message_header");
    const logoutMessageSubtext = parameters.get("logout_message_subtext");
    if (logoutMessageHeader !== null || logoutMessageSubtext !== null) {
      reason.setPrevCustomLogoutMessage({ logoutMessageHeader, logoutMessageSubtext });
    }
    for (const name of require("WAWebReloadAfterLogout").POST_LOGOUT_URL_MARKERS) parameters.delete(name);
    const query = String(parameters);
    history.replaceState({}, document.title, location.pathname + (query ? `?${query}` : ""));
  };
});

/* Source: WAWebSocketModel. */
define("WAWebSandboxLogout", (exports, require) => {
  const REQUEST_TIMEOUT_MS = 3000;
  const getBus = () => require("WAWebBackendEventBus").BackendEventBus;

  exports.clearCredentialsAndStoredData = async (reason, message) => {
    require("WAWebSocketModel").Socket.hasSynced = undefined;
    require("WAWebSandboxSession").clear();
    let hasFailed = false;
    try {
      if (!SETTINGS.storage_kept) await require("WAWebSandboxStorage").clear();
      await require("WAWebUserPrefsIndexedDBStorage").userPrefsIdb.clear();
    } catch (error) {
      hasFailed = true;
      console.error("destroyStorage: failed", error);
    }
    require("WAWebReloadAfterLogout").reloadAfterLogout(hasFailed, reason, message);
  };

  exports.logOutWithoutRequest = async (reason, message) => {
    const { Socket } = require("WAWebSocketModel");
    await Socket.clearCredentialsAndStoredData(reason, message);
    getBus().triggerLogout();
  };

  // Without a connection, the page logs itself out and the server keeps the device.
  exports.logout = async (reason = "user_initiated") => {
    getBus().triggerStartingLogout();
    const answer = require("WAWebSandboxWire").request("logout", { reason });
    await Promise.race([answer, delay(REQUEST_TIMEOUT_MS)]);
    require("WAComms").stopComms();
    await exports.logOutWithoutRequest(reason);
  };
});
