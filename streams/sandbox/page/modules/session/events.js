/*
 * The two event buses of the session: the backend's, and Cmd, which the screen and the clients listen to.
 * Every event of the backend reaches Cmd under another name. Nothing here may decide anything.
 */

/* Sources: WAWebBackendEventBusTypes, WAWebBackendEventBus, WAWebCmd. */
define("WAWebBackendEventBus", (exports, require) => {
  const EventEmitter = require("WAWebEventEmitter").default;
  const BackendEvent = {
    LOGOUT: "logout",
    REFRESH_QR: "refresh_qr",
    STORAGE_INITIALIZATION_ERROR: "storage_initialization_error",
    SOCKET_STREAM_DISCONNECTED: "socket_stream_disconnected",
    OPEN_SOCKET_STREAM: "open_socket_stream",
    RECONNECT_SOCKET: "reconnect_socket",
    SET_SOCKET_STATE: "set_socket_state",
    INITIAL_LOAD_READY: "initial_load_ready",
    MAIN_STREAM_MODE_READY: "main_stream_mode_ready",
    OFFLINE_DELIVERY_END: "offline_delivery_end",
    OFFLINE_DELIVERY_STATE_RESET: "offline_delivery_state_reset",
  };
  const getCmd = () => require("WAWebCmd").Cmd;

  class BackendEventBus extends EventEmitter {
    constructor() {
      super();
      this.isMainStreamReadyMd = false;
      this.isOfflineDeliveryEnd = false;
      this.socketState = "UNLAUNCHED";
    }

    onSetSocketState(callback) { return this.on(BackendEvent.SET_SOCKET_STATE, callback); }
    onOpenSocketStream(callback) { return this.on(BackendEvent.OPEN_SOCKET_STREAM, callback); }
    onSocketStreamDisconnected(callback) {
      return this.on(BackendEvent.SOCKET_STREAM_DISCONNECTED, callback);
    }
    onReconnectSocket(callback) { return this.on(BackendEvent.RECONNECT_SOCKET, callback); }
    onRefreshQR(callback) { return this.on(BackendEvent.REFRESH_QR, callback); }
    onMainStreamModeReady(callback) { return this.on(BackendEvent.MAIN_STREAM_MODE_READY, callback); }
    onOfflineDeliveryEnd(callback) { return this.on(BackendEvent.OFFLINE_DELIVERY_END, callback); }
    onceOfflineDeliveryEnd(callback) { return this.once(BackendEvent.OFFLINE_DELIVERY_END, callback); }
    onStorageInitializationError(callback) {
      return this.on(BackendEvent.STORAGE_INITIALIZATION_ERROR, callback);
    }
    onLogout(callback) { return this.on(BackendEvent.LOGOUT, callback); }

    triggerSetSocketState(state) {
      this.socketState = state;
      this.trigger(BackendEvent.SET_SOCKET_STATE, state);
    }

    triggerOpenSocketStream() {
      this.trigger(BackendEvent.OPEN_SOCKET_STREAM);
      getCmd().openSocketStreamFromBridge();
    }

    triggerSocketStreamDisconnected() {
      this.trigger(BackendEvent.SOCKET_STREAM_DISCONNECTED);
      getCmd().socketStreamDisconnectedFromBridge();
    }

    triggerReconnectSocket() { this.trigger(BackendEvent.RECONNECT_SOCKET); }
    triggerRefreshQR() { this.trigger(BackendEvent.REFRESH_QR); }
    triggerInitialLoadReady() { getCmd().onInitialLoadReadyFromBridge(); }

    triggerMainStreamModeReady() {
      this.isMainStreamReadyMd = true;
      this.trigger(BackendEvent.MAIN_STREAM_MODE_READY);
      getCmd().onMainStreamModeReadyFromBridge();
    }

    triggerOfflineDeliveryEnd() {
      this.isOfflineDeliveryEnd = true;
      this.trigger(BackendEvent.OFFLINE_DELIVERY_END);
      getCmd().onOfflineDeliveryEndFromBridge();
    }

    triggerOfflineDeliveryStateReset() {
      this.isOfflineDeliveryEnd = false;
      this.trigger(BackendEvent.OFFLINE_DELIVERY_STATE_RESET);
      getCmd().onOfflineDeliveryStateResetFromBridge();
    }

    triggerTemporaryBan(ban) { getCmd().onTemporaryBanFromBridge(ban); }
    triggerServiceUnavailable() { getCmd().onServiceUnavailableFromBridge(); }
    triggerStorageInitializationError(error) {
      console.error("storage initialization error", error);
      this.trigger(BackendEvent.STORAGE_INITIALIZATION_ERROR);
    }
    triggerStartingLogout() { getCmd().onStartingLogoutFromBridge(); }
    triggerLogout() {
      this.trigger(BackendEvent.LOGOUT);
      getCmd().onLogoutFromBridge();
    }
  }

  exports.BackendEvent = BackendEvent;
  exports.BackendEventBus = new BackendEventBus();
});

define("WAWebCmd", (exports, require) => {
  exports.CmdImpl = class CmdImpl extends require("WAWebEventEmitter").default {
    constructor() {
      super();
      this.isMainStreamReadyMd = false;
      this.isOfflineDeliveryEnd = false;
    }

    onOfflineDeliveryEndFromBridge() {
      this.isOfflineDeliveryEnd = true;
      this.trigger("offline_delivery_end_from_bridge");
    }

    onOfflineDeliveryStateResetFromBridge() {
      this.isOfflineDeliveryEnd = false;
      this.trigger("offline_delivery_state_reset_from_bridge");
    }

    onMainStreamModeReadyFromBridge() {
      this.isMainStreamReadyMd = true;
      this.trigger("main_stream_mode_ready_from_bridge");
    }

    openSocketStreamFromBridge() { this.trigger("open_socket_stream_from_bridge"); }
    socketStreamDisconnectedFromBridge() { this.trigger("socket_stream_disconnected_from_bridge"); }
    onInitialLoadReadyFromBridge() { this.trigger("initial_load_ready_from_bridge"); }
    onOfflineProgressUpdateFromBridge() { this.trigger("offline_progress_update_from_bridge"); }
    onTemporaryBanFromBridge(ban) { this.trigger("account_temporarily_banned_from_bridge", ban); }
    onServiceUnavailableFromBridge() { this.trigger("service_unavailable_503_from_bridge"); }
    onStartingLogoutFromBridge() { this.trigger("starting_logout_from_bridge"); }
    onLogoutFromBridge() { this.trigger("logout_from_bridge"); }
    reachoutTimelockStateChange() { this.trigger("reachout_timelock_state_change"); }
    newChatMessageCappingStateChange() { this.trigger("new_chat_message_capping_state_change"); }
    sendRevokeMsgs(chat, messages, options) { this.trigger("send_revoke_msgs", chat, messages, options); }
    setActiveFilter() {}
  };
  exports.Cmd = new exports.CmdImpl();
});
