/* ---------- the wire: one WebSocket to the server, opened again whenever it closes ---------- */

define("WAWebSandboxWire", (exports, require) => {
  const ANSWER_WITHIN_MS = 20000;
  const FIRST_RETRY_MS = 250;
  const LAST_RETRY_MS = 5000;
  // What linking, syncing and leaving take in the sandbox; on the real page it is seconds.
  const SYNC_MS = 50;
  const SYNCED_MS = 400;
  const LEAVE_MS = 300;

  const socketModel = () => require("WAWebSocketModel").Socket;
  const stream = () => require("WAWebStreamModel").Stream;
  const conn = () => require("WAWebConnModel").Conn;
  const network = () => require("WAWebNetworkStatus").default;
  const mine = () => require("WAWebSandboxSession").session;
  const draw = () => require("WAWebSandboxScreen").draw();

  let socket = null;
  let retryMs = FIRST_RETRY_MS;
  let leaving = false;
  let questions = 0;
  const asked = new Map();

  /* ----- speaking ----- */

  exports.send = (op, fields) => {
    const open = socket && socket.readyState === WebSocket.OPEN;
    if (open) socket.send(JSON.stringify({ op, ...fields }));
    return Boolean(open);
  };

  exports.ask = (op, fields) => new Promise((resolve, reject) => {
    const n = ++questions;
    if (!exports.send(op, { n, ...fields })) {
      reject(new Error("E_OFFLINE"));
      return;
    }
    const timer = setTimeout(() => {
      asked.delete(n);
      reject(new Error("E_TIMEOUT"));
    }, ANSWER_WITHIN_MS);
    asked.set(n, (answer) => {
      clearTimeout(timer);
      asked.delete(n);
      resolve(answer);
    });
  });

  /* ----- states ----- */

  function toMain() {
    network().online = true;
    socketModel().set({ state: "CONNECTED", stream: "CONNECTED" });
    stream().set({ info: "NORMAL", mode: "MAIN" });
    setTimeout(() => { socketModel().hasSynced = true; }, SYNCED_MS);
    const { Cmd } = require("WAWebCmd");
    if (!Cmd.isMainLoaded) {
      Cmd.isMainLoaded = true;
      Cmd.trigger("main_loaded");
    }
    require("WAWebSandboxOutbox").sendAll();
    draw();
  }

  function become({ me, lid }) {
    Object.assign(mine(), { me, lid });
    require("WAWebSandboxSession").save();
    conn().set({ ref: undefined, connected: true, wid: require("WAWebWidFactory").createWid(me) });
  }

  function disconnected() {
    if (leaving) return;
    stream().info = "OFFLINE";
    if (mine().me) {
      stream().mode = "OFFLINE";
      socketModel().set({ state: "TIMEOUT", stream: "DISCONNECTED" });
    }
    network().online = false;
    setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }

  // WhatsApp Web forgets all and loads itself again.
  async function leave() {
    leaving = true;
    require("WAWebSandboxSession").forget();
    await require("WAWebSandboxStorage").forget();
    require("WAWebCmd").Cmd.trigger("logout");
    socketModel().state = "UNPAIRED";
    setTimeout(() => { location.href = "/?post_logout=1"; }, LEAVE_MS);
  }

  exports.logout = async () => {
    try {
      await exports.ask("logout", {});
    } catch (error) {
      console.warn("logged out without the server's knowledge", error);
    }
    await leave();
  };

  // V8 ends a process that lets an array grow beyond what an array may hold.
  function crash() {
    const numbers = new Array(1 << 25);
    for (;;) numbers.push(0);
  }

  /* ----- hearing ----- */

  const HEARD = {
    ref({ ref }) {
      network().online = true;
      conn().ref = ref;
      socketModel().state = "UNPAIRED";
      stream().set({ mode: "QR", info: "PAIRING" });
      draw();
    },
    idle() {
      conn().ref = undefined;
      socketModel().state = "UNPAIRED_IDLE";
      draw();
    },
    paired(who) {
      socketModel().state = "PAIRING";
      become(who);
      stream().set({ mode: "SYNCING", info: "SYNCING" });
      setTimeout(toMain, SYNC_MS);
    },
    welcome(who) {
      become(who);
      toMain();
    },
    conflict() {
      socketModel().state = "CONFLICT";
      stream().mode = "CONFLICT";
      leaving = true; // the other page has the account now: no new connection
    },
    restricted({ mode }) {
      socketModel().state = mode;
      stream().mode = mode;
    },
    unpaired: leave,
    crash,
    ack: (answer) => require("WAWebSandboxOutbox").acknowledged(answer),
    receipt: (said) => require("WAWebSandboxInbox").receipt(said),
    inbound: (said) => require("WAWebSandboxInbox").message(said),
  };

  function hear(message) {
    if (asked.has(message.n)) asked.get(message.n)(message);
    else if (HEARD[message.op]) HEARD[message.op](message);
  }

  function connect() {
    socketModel().state = "OPENING";
    stream().info = "OPENING";
    socket = new WebSocket(`wss://${location.host}/ws/chat`);
    socket.onopen = () => {
      retryMs = FIRST_RETRY_MS;
      const { me, noise, identity, adv } = mine();
      exports.send("hello", { linked: Boolean(me), noise, identity, adv });
    };
    socket.onclose = disconnected;
    socket.onmessage = (event) => hear(JSON.parse(event.data));
  }

  exports.start = async () => {
    const { ChatCollection } = require("WAWebChatCollection");
    const { createWid } = require("WAWebWidFactory");
    for (const { id } of await require("WAWebSandboxStorage").all("chat")) {
      ChatCollection.add({ id: createWid(id) });
    }
    require("WAWebCmd").Cmd.on("refresh_qr", () => exports.send("refresh_qr"));
    draw();
    connect();
  };
});
