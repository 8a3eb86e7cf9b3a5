/*
 * The connection: one WebSocket to the server, opened again whenever it closes. The meaning of what goes
 * over it belongs in wire.js. Sources: WAComms, WAPromiseRetryLoop, WAWebCommsConfigBase.
 */

/* The waits between two attempts: 1, 1, 2, 3, 5 … seconds, at most `max_reconnect_s`. */
define("WAPromiseBackoffs", (exports) => {
  const FIRST_MS = 1000;
  const JITTER = 0.1;

  exports.createTimer = ({ max }) => {
    let [current, next] = [FIRST_MS, FIRST_MS];
    return () => {
      const wait = Math.min(current, max) * (1 + JITTER * Math.random());
      [current, next] = [next, current + next];
      return Math.ceil(wait);
    };
  };
});

define("WAComms", (exports, require) => {
  const STABLE_AFTER_MS = 10000; // a connection that lasted so long starts the back-off again
  const RESET_DELAY_MS = 30000;
  const MAX_RECONNECT_S = 900; // on the real page; the sandbox sets a shorter one
  const bus = () => require("WAWebBackendEventBus").BackendEventBus;

  class Comms {
    constructor(config) {
      this.config = config;
      this.socket = null;
      this._isEnded = false;
      this._generation = 0;
      this._timers = {};
    }

    start() {
      this._generation += 1;
      this._runLoop(this._generation);
    }

    async _runLoop(generation) {
      const isCurrent = () => !this._isEnded && this._generation === generation;
      const { createTimer } = require("WAPromiseBackoffs");
      const options = { max: (SETTINGS.max_reconnect_s ?? MAX_RECONNECT_S) * 1000 };
      let nextDelay = createTimer(options);
      while (isCurrent()) {
        const startedAt = Date.now();
        const connectedAt = await this._runConnection();
        if (!isCurrent()) return;
        const isStable = connectedAt !== null && Date.now() >= connectedAt + STABLE_AFTER_MS;
        if (isStable || Date.now() >= startedAt + RESET_DELAY_MS) nextDelay = createTimer(options);
        await delay(nextDelay());
      }
    }

    // Ends with the connection. Returns when the handshake was done, or null.
    _runConnection() {
      bus().triggerSetSocketState("OPENING");
      return new Promise((resolve) => {
        const socket = new WebSocket(`wss://${location.host}/ws/chat`);
        this._opening = socket;
        let connectedAt = null;
        let isFinished = false;
        const finish = () => {
          if (isFinished) return;
          isFinished = true;
          this._clearTimers();
          const wasConnected = this.socket === socket;
          this.socket = null;
          if (wasConnected) bus().triggerSocketStreamDisconnected();
          resolve(connectedAt);
        };
        this._finish = finish;
        socket.onopen = () => socket.send(JSON.stringify(this.config.buildHello()));
        socket.onclose = finish;
        socket.onmessage = (event) => {
          const message = JSON.parse(event.data);
          if (message.op === "hello") {
            connectedAt = Date.now();
            this._onHandshake(socket);
          } else if (this.socket === socket) {
            this._onFrame(message);
          }
        };
      });
    }

    _onHandshake(socket) {
      this.socket = socket;
      bus().triggerSetSocketState("PAIRING");
      if (require("WAWebUserPrefsMultiDevice").isRegistered()) {
        bus().triggerSetSocketState("CONNECTED");
        bus().triggerOpenSocketStream();
      }
      this._scheduleHealthCheck();
      this.config.onConnect();
    }

    _onFrame(message) {
      clearTimeout(this._timers.dead);
      this._timers.dead = null;
      this.config.handle(message);
      this._scheduleHealthCheck();
    }

    // After a message that expects an answer, a socket on which nothing arrives is dead.
    send(message, expectsAnswer) {
      if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return false;
      this.socket.send(JSON.stringify(message));
      const wait = SETTINGS.dead_socket_s * 1000;
      if (expectsAnswer) this._timers.dead ||= setTimeout(() => this._closeDeadSocket(), wait);
      return true;
    }

    // The page does not wait for the close of a socket that does not answer.
    _closeDeadSocket() {
      const { socket } = this;
      if (socket) socket.close();
      this._finish();
    }

    _scheduleHealthCheck() {
      clearTimeout(this._timers.health);
      const wait = SETTINGS.health_check_s * 1000 * (1 + Math.random());
      this._timers.health = setTimeout(() => this.send({ op: "ping" }, true), wait);
    }

    _clearTimers() {
      clearTimeout(this._timers.dead);
      clearTimeout(this._timers.health);
      this._timers = {};
    }

    // A new loop, whose first attempt is at once. An attempt that is under way is given up.
    reset() {
      if (this._isEnded) return;
      if (!this.socket) this.close();
      this.start();
    }

    close() {
      if (this._opening) this._opening.close();
    }

    end() {
      this._isEnded = true;
      const socket = this._opening;
      if (this._finish) this._finish();
      if (socket) {
        socket.onmessage = null;
        socket.close();
      }
    }
  }

  let comms = null;
  let config = null;

  exports.startComms = (newConfig) => {
    config = newConfig || config;
    if (comms) return;
    comms = new Comms(config);
    comms.start();
  };
  exports.stopComms = () => {
    if (comms) comms.end();
    comms = null;
  };
  // Between two attempts this does nothing: there is no socket to close, and the wait goes on.
  exports.closeSocketAndResume = () => { if (comms && comms.socket) comms.close(); };
  exports.closeSocketAndPreventRetry = () => { if (comms) comms.end(); };
  exports.closeSocket = () => { if (comms) comms.close(); };
  exports.maybeResetSocketLoop = () => { if (comms && !comms.socket) comms.reset(); };
  exports.forceResetSocketLoop = () => { if (comms) comms.reset(); };
  exports.isSocketConnected = () => Boolean(comms && comms.socket);
  exports.isCommsInitialized = () => comms !== null;
  exports.castSmaxStanza = (message) => Boolean(comms) && comms.send(message, false);
  exports.sendSmaxStanza = (message) => Boolean(comms) && comms.send(message, true);
});

/* `Socket.reconnect` ends here. Sources: WAWebLaunchSocket, WAWebLaunchSocketUtils. */
define("WAWebLaunchSocketUtils", (exports, require) => {
  exports.startCommsAndHandleRequests = async () => require("WAComms").startComms();
  exports.refreshQR = () => {
    require("WAComms").stopComms();
    exports.startCommsAndHandleRequests();
  };
});
