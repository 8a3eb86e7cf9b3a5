/*
 * The connection to WhatsApp: socket, stream and offline delivery, read in one turn and without a wait,
 * because the gate asks in the very turn of a submit. What cannot be read is not connected. Nothing
 * here may change the page.
 *
 * The stream's mode says MAIN also while the socket is down (sources: WAWebSocketModel,
 * WAWebStreamModel). So the mode alone never means "connected".
 */
(shared) => {
  "use strict";

  const { WPP, readOrNull, tryRead, loadModule } = shared;

  // After this time a connection that the page has given up is not one that it opens anew.
  const STOPPED_AFTER_MS = 5000;

  const readSocket = (name) => readOrNull("Socket", () => WPP.whatsapp.Socket[name]);
  const isAuthenticated = () =>
    readOrNull("isAuthenticated", () => WPP.conn.isAuthenticated()) === true;

  const isOpen = () =>
    readSocket("state") === "CONNECTED" && readSocket("stream") === "CONNECTED";

  /* ---------- has the server accepted the login? ---------- */

  // The socket counts as open as soon as it is encrypted (source: WAWebCommsConfigBase). Only then does
  // the server accept the login or refuse it, so a banned page would be "connected" for a moment at each
  // attempt. The page tells of a success with an event (WAWebHandleSuccess); a connection that lasts was
  // accepted too. The first connection of a page opens its stream after the login.
  const ACCEPTED_AFTER_MS = 3000;

  let isAccepted = true;
  let isServiceUnavailable = false;
  let acceptTimer = null;

  function accept() {
    clearTimeout(acceptTimer);
    isAccepted = true;
    isServiceUnavailable = false;
  }

  // After a 503 the page goes on trying (source: WAWebHandleFailure).
  function onServiceUnavailable() {
    isAccepted = false;
    isServiceUnavailable = true;
  }

  function onSocketChange(markStateChanged) {
    clearTimeout(acceptTimer);
    if (!isOpen()) {
      if (readSocket("hasSynced")) isAccepted = false;
    } else if (!isAccepted) {
      acceptTimer = setTimeout(() => { accept(); markStateChanged(); }, ACCEPTED_AFTER_MS);
    }
    markStateChanged();
  }

  // `stopComms` ends the connection for good, as when another device has replaced this one, and leaves the
  // state of the socket as it was (sources: WAComms, WAWebHandleStreamError). A page that cannot be read is
  // believed to keep its connection.
  const isGivenUp = () =>
    readOrNull("Comms", () => loadModule("WAComms").isCommsInitialized()) === false;

  const isConnected = () => isOpen() && isAccepted && !isGivenUp();

  /* ---------- the offline delivery ---------- */

  // Sends wait inside the page until then (source: WAWebSendMsgJob).
  function isOfflineDeliveryEnded() {
    return readOrNull("Cmd", () => WPP.whatsapp.Cmd.isOfflineDeliveryEnd) === true;
  }

  // Percent, or null while the page does not know how much there is (source: WAWebOfflineHandler).
  function readProgress() {
    const percent = tryRead(() => {
      const handler = loadModule("WAWebOfflineHandler").OfflineMessageHandler;
      return handler.hasReceivedOfflinePreviewIb() ? handler.getOfflineDeliveryProgress() : null;
    });
    return Number.isFinite(percent) ? Math.max(0, Math.min(100, Math.round(percent))) : null;
  }

  /* ---------- does the page connect again? ---------- */

  // Not after the page has given up its connection, nor after another window of this browser has taken the
  // mutex, even when that window is closed (source: WAWebAppMutexCore). A page that cannot be read is
  // believed to connect again.
  let stoppedSinceMs = null;
  let wasOpen = false;

  function hasStoppedComms() {
    return isGivenUp() && isAuthenticated() && readSocket("state") === "CONNECTED";
  }

  function hasLostMutex() {
    const hasMutex = tryRead(() => loadModule("WAWebUserPrefsTabMutex").currentTabHasMutex());
    return hasMutex === false && wasOpen && !isOpen() && isAuthenticated();
  }

  function isStopped() {
    wasOpen = wasOpen || isOpen();
    if (!hasStoppedComms() && !hasLostMutex()) stoppedSinceMs = null;
    else if (stoppedSinceMs === null) stoppedSinceMs = performance.now();
    return stoppedSinceMs !== null && performance.now() - stoppedSinceMs >= STOPPED_AFTER_MS;
  }

  // The real page of August 2026 reads `retryTimestamp` and never sets it. It is only shown, and has the time
  // of the host's clock, as the page has it.
  function readRetryTime() {
    const timestamp = readSocket("retryTimestamp");
    return Number.isFinite(timestamp) && timestamp > Date.now() ? timestamp / 1000 : null;
  }

  function describeConnection() {
    const login = isAccepted ? "" : ", login not accepted";
    const end = isGivenUp() ? ", given up" : "";
    return `socket ${readSocket("state")}, stream ${readSocket("stream")}${login}${end}`;
  }

  function readConnection() {
    const stream = readOrNull("Stream", () => WPP.conn.getStreamData()) || {};
    return {
      authenticated: isAuthenticated(),
      mode: stream.mode || "",
      socket: readSocket("state") || "",
      stream: readSocket("stream") || "",
      accepted: isAccepted,
      service_unavailable: isServiceUnavailable,
      has_synced: Boolean(readSocket("hasSynced")),
      delivery_ended: isOfflineDeliveryEnded(),
      progress: readProgress(),
      retry_at_s: readRetryTime(),
      given_up: isGivenUp(),
      stopped: isStopped(),
    };
  }

  function subscribe(markStateChanged) {
    readOrNull("Socket", () => {
      for (const name of ["change:state", "change:stream", "change:hasSynced"]) {
        WPP.whatsapp.Socket.on(name, () => onSocketChange(markStateChanged));
      }
    });
    readOrNull("Cmd", () => {
      const { Cmd } = WPP.whatsapp;
      Cmd.on("account_temporarily_banned_from_bridge", (ban) => {
        if (!ban || !ban.banned) accept();
        markStateChanged();
      });
      Cmd.on("service_unavailable_503_from_bridge", () => {
        onServiceUnavailable();
        markStateChanged();
      });
    });
  }

  return {
    readSocket, isAuthenticated, isConnected, isOfflineDeliveryEnded, describeConnection, readConnection,
    subscribe,
  };
}
