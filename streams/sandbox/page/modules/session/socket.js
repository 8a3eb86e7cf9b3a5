/*
 * The models of the connection: socket, stream, network. The stream's mode and info follow from the socket
 * and may not be set by anything else. They do not say whether the page is connected: the socket does.
 */

/* Source: WAWebSocketModel. `retryTimestamp` is read by the real screen, and nothing there sets it. */
define("WAWebSocketModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  const { BackendEventBus } = require("WAWebBackendEventBus");
  const getNetwork = () => require("WAWebNetworkStatus").default;

  class Socket extends BaseModel {
    initialize() {
      BackendEventBus.onSetSocketState((state) => { this.state = state; });
      BackendEventBus.onOpenSocketStream(() => {
        getNetwork().online = true;
        getNetwork().checkOnline();
        if (this.hasSynced) this.set({ stream: "CONNECTED" });
      });
      BackendEventBus.onSocketStreamDisconnected(() => {
        this.set({ stream: "DISCONNECTED" });
        getNetwork().checkOnline();
      });
      BackendEventBus.onMainStreamModeReady(() => {
        this.set({ hasSynced: true, stream: "CONNECTED" });
      });
    }

    reconnect() { BackendEventBus.triggerReconnectSocket(); }
    logout(reason) { require("WAWebSandboxLogout").logout(reason); }
    clearCredentialsAndStoredData(reason, message) {
      return require("WAWebSandboxLogout").clearCredentialsAndStoredData(reason, message);
    }
  }

  defineModel(Socket, "socket", {
    state: "UNLAUNCHED", stream: "DISCONNECTED", hasSynced: undefined, retryTimestamp: undefined,
  });
  exports.Socket = new Socket();
});

/* Source: WAWebStreamModel. */
define("WAWebStreamModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  const { Socket } = require("WAWebSocketModel");
  const network = require("WAWebNetworkStatus").default;
  const isRegistered = () => require("WAWebUserPrefsMultiDevice").isRegistered();
  const StreamInfo = buildEnum(
    "OFFLINE", "OPENING", "PAIRING", "SYNCING", "RESUMING", "CONNECTING", "NORMAL",
  );
  const StreamMode = buildEnum(
    "QR", "MAIN", "SYNCING", "OFFLINE", "CONFLICT", "PROXYBLOCK", "TOS_BLOCK", "SMB_TOS_BLOCK",
  );

  function deriveInfo() {
    switch (Socket.state) {
      case "OPENING": return network.online ? StreamInfo.OPENING : StreamInfo.OFFLINE;
      case "PAIRING": return Socket.hasSynced ? StreamInfo.RESUMING : StreamInfo.PAIRING;
      case "CONNECTED":
        return Socket.stream === "CONNECTED" || Socket.hasSynced
          ? StreamInfo.NORMAL : StreamInfo.SYNCING;
      default: return StreamInfo.NORMAL;
    }
  }

  // No module of the page of August 2026 sets the socket's state to one of these four.
  const OWN_MODES = new Set(["PROXYBLOCK", "CONFLICT", "TOS_BLOCK", "SMB_TOS_BLOCK"]);

  function deriveMode() {
    const { state } = Socket;
    if (!isRegistered() && state !== "PROXYBLOCK") return StreamMode.QR;
    if (OWN_MODES.has(state)) return StreamMode[state];
    if (state === "UNLAUNCHED") return StreamMode.SYNCING;
    if (state === "UNPAIRED" || state === "UNPAIRED_IDLE") return StreamMode.QR;
    if (state === "OPENING" && !network.online && !Socket.hasSynced) return StreamMode.OFFLINE;
    return Socket.hasSynced || Socket.stream === "CONNECTED" ? StreamMode.MAIN : StreamMode.SYNCING;
  }

  class Stream extends BaseModel {
    initialize() {
      if (!isRegistered()) this.attributes.mode = StreamMode.QR;
      const update = () => this.set({ info: deriveInfo(), mode: deriveMode() });
      this.listenTo(Socket, "change:state change:stream change:hasSynced", update);
      this.listenTo(network, "change:online", update);
    }

    markAvailable() { this.available = true; }
    markUnavailable() { this.available = false; }
  }
  defineModel(Stream, "stream", {
    mode: StreamMode.SYNCING, info: StreamInfo.NORMAL, needsUpdate: undefined, available: true,
  });
  exports.StreamInfo = StreamInfo;
  exports.StreamMode = StreamMode;
  exports.Stream = new Stream();
});

/* Asks a static file of the site, so it says nothing about the chat server. Source: WAWebNetworkStatus. */
define("WAWebNetworkStatus", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  let check = null;

  async function isStatusReachable() {
    try {
      await fetch("/status.json", { cache: "no-store" });
      return true;
    } catch {
      return false; // the real page reads every failure of this request as "offline"
    }
  }

  class NetworkStatus extends BaseModel {
    async checkOnline() {
      check ||= isStatusReachable().finally(() => { check = null; });
      this.online = await check;
    }
  }
  exports.default = new (defineModel(NetworkStatus, "network_status", { online: true }))();
});
