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

  function isConnected() {
    return readSocket("state") === "CONNECTED" && readSocket("stream") === "CONNECTED";
  }

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

  /*
   * Whether the page opens the connection again by itself. It does not after `stopComms`, which ends
   * the connection for good when another device has replaced this one (sources: WAComms,
   * WAWebHandleStreamError). A page that cannot be read is believed to do so.
   */
  let stoppedSinceMs = null;

  function isStopped() {
    const comms = readOrNull("Comms", () => loadModule("WAComms"));
    const isInUse = isAuthenticated() && readSocket("state") !== "UNLAUNCHED";
    if (!comms || !isInUse || comms.isCommsInitialized()) stoppedSinceMs = null;
    else if (stoppedSinceMs === null) stoppedSinceMs = Date.now();
    return stoppedSinceMs !== null && Date.now() - stoppedSinceMs >= STOPPED_AFTER_MS;
  }

  // The real page of August 2026 reads `retryTimestamp` and never sets it.
  function readRetryTime() {
    const timestamp = readSocket("retryTimestamp");
    return Number.isFinite(timestamp) && timestamp > Date.now() ? timestamp / 1000 : null;
  }

  function describeConnection() {
    return `socket ${readSocket("state")}, stream ${readSocket("stream")}`;
  }

  function readConnection() {
    const stream = readOrNull("Stream", () => WPP.conn.getStreamData()) || {};
    return {
      authenticated: isAuthenticated(),
      mode: stream.mode || "",
      socket: readSocket("state") || "",
      stream: readSocket("stream") || "",
      has_synced: Boolean(readSocket("hasSynced")),
      delivery_ended: isOfflineDeliveryEnded(),
      progress: readProgress(),
      retry_at_s: readRetryTime(),
      stopped: isStopped(),
    };
  }

  return {
    isAuthenticated, isConnected, isOfflineDeliveryEnded, describeConnection, readConnection,
  };
}
