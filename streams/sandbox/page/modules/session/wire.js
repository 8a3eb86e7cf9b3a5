/*
 * The wire: one WebSocket to the server, opened again whenever it closes (connection.py has the other
 * end and the list of operations). No other module may speak to the server in another way.
 */

define("WAWebSandboxWire", (exports, require) => {
  const ANSWER_TIMEOUT_MS = 20000;
  const MIN_RETRY_MS = 250;
  const MAX_RETRY_MS = 5000;
  // How long linking, syncing and leaving take in the sandbox; on the real page it is seconds.
  const SYNC_MS = 50;
  const SYNCED_MS = 400;
  const LEAVE_MS = 300;

  const getSocketModel = () => require("WAWebSocketModel").Socket;
  const getStream = () => require("WAWebStreamModel").Stream;
  const getConn = () => require("WAWebConnModel").Conn;
  const getNetwork = () => require("WAWebNetworkStatus").default;
  const getSession = () => require("WAWebSandboxSession").session;
  const drawScreen = () => require("WAWebSandboxScreen").draw();

  let socket = null;
  let retryMs = MIN_RETRY_MS;
  let isLeaving = false;
  let requestCount = 0;
  const openRequests = new Map();

  /* ----- to the server ----- */

  exports.send = (op, fields) => {
    const isOpen = Boolean(socket && socket.readyState === WebSocket.OPEN);
    if (isOpen) socket.send(JSON.stringify({ op, ...fields }));
    return isOpen;
  };

  exports.request = (op, fields) => new Promise((resolve, reject) => {
    const n = ++requestCount;
    if (!exports.send(op, { n, ...fields })) {
      reject(new Error("E_OFFLINE"));
      return;
    }
    const timer = setTimeout(() => {
      openRequests.delete(n);
      reject(new Error("E_TIMEOUT"));
    }, ANSWER_TIMEOUT_MS);
    openRequests.set(n, (answer) => {
      clearTimeout(timer);
      openRequests.delete(n);
      resolve(answer);
    });
  });

  /* ----- states of the page ----- */

  function enterMain() {
    getNetwork().online = true;
    getSocketModel().set({ state: "CONNECTED", stream: "CONNECTED" });
    getStream().set({ info: "NORMAL", mode: "MAIN" });
    setTimeout(() => { getSocketModel().hasSynced = true; }, SYNCED_MS);
    const { Cmd } = require("WAWebCmd");
    if (!Cmd.isMainLoaded) {
      Cmd.isMainLoaded = true;
      Cmd.trigger("main_loaded");
    }
    require("WAWebSandboxOutbox").sendAll();
    drawScreen();
  }

  function logIn({ me, lid }) {
    Object.assign(getSession(), { me, lid });
    require("WAWebSandboxSession").save();
    const wid = require("WAWebWidFactory").createWid(me);
    getConn().set({ ref: undefined, connected: true, wid });
  }

  function handleDisconnect() {
    if (isLeaving) return;
    getStream().info = "OFFLINE";
    if (getSession().me) {
      getStream().mode = "OFFLINE";
      getSocketModel().set({ state: "TIMEOUT", stream: "DISCONNECTED" });
    }
    getNetwork().online = false;
    setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
  }

  // WhatsApp Web clears everything and reloads itself.
  async function leave() {
    isLeaving = true;
    require("WAWebSandboxSession").clear();
    await require("WAWebSandboxStorage").clear();
    require("WAWebCmd").Cmd.trigger("logout");
    getSocketModel().state = "UNPAIRED";
    setTimeout(() => { location.href = "/?post_logout=1"; }, LEAVE_MS);
  }

  exports.logout = async () => {
    try {
      await exports.request("logout", {});
    } catch (error) {
      console.warn("logged out, but the server could not be informed", error);
    }
    await leave();
  };

  // V8 ends a process that grows an array beyond the maximum size.
  function crash() {
    const numbers = new Array(1 << 25);
    for (;;) numbers.push(0);
  }

  /* ----- from the server ----- */

  const HANDLERS = {
    ref({ ref }) {
      getNetwork().online = true;
      getConn().ref = ref;
      getSocketModel().state = "UNPAIRED";
      getStream().set({ mode: "QR", info: "PAIRING" });
      drawScreen();
    },
    idle() {
      getConn().ref = undefined;
      getSocketModel().state = "UNPAIRED_IDLE";
      drawScreen();
    },
    paired(account) {
      getSocketModel().state = "PAIRING";
      logIn(account);
      getStream().set({ mode: "SYNCING", info: "SYNCING" });
      setTimeout(enterMain, SYNC_MS);
    },
    welcome(account) {
      logIn(account);
      enterMain();
    },
    conflict() {
      getSocketModel().state = "CONFLICT";
      getStream().mode = "CONFLICT";
      isLeaving = true; // another page has the account now: this one does not connect again
    },
    restricted({ mode }) {
      getSocketModel().state = mode;
      getStream().mode = mode;
    },
    unpaired: leave,
    crash,
    ack: (ack) => require("WAWebSandboxOutbox").receiveAck(ack),
    receipt: (receipt) => require("WAWebSandboxInbox").receiveReceipt(receipt),
    inbound: (inbound) => require("WAWebSandboxInbox").receiveMessage(inbound),
  };

  function handleMessage(message) {
    if (openRequests.has(message.n)) openRequests.get(message.n)(message);
    else if (HANDLERS[message.op]) HANDLERS[message.op](message);
  }

  function connect() {
    getSocketModel().state = "OPENING";
    getStream().info = "OPENING";
    socket = new WebSocket(`wss://${location.host}/ws/chat`);
    socket.onopen = () => {
      retryMs = MIN_RETRY_MS;
      const { me, noise, identity, adv } = getSession();
      exports.send("hello", { linked: Boolean(me), noise, identity, adv });
    };
    socket.onclose = handleDisconnect;
    socket.onmessage = (event) => handleMessage(JSON.parse(event.data));
  }

  /* ----- the start of the page ----- */

  exports.start = async () => {
    await require("WAWebRestoreChatsAndMessages").restoreChatsAndMessages();
    require("WAWebCmd").Cmd.on("refresh_qr", () => exports.send("refresh_qr"));
    drawScreen();
    connect();
  };
});

// This file is the last of the script, so every module is defined when the page starts.
requireLazy(["WAWebBuildConstants", "WAWebSandboxWire"], (build, wire) => {
  window.Debug = { VERSION: build.SANITIZED_VERSION_STR };
  wire.start();
});
