/*
 * The wire: what is said over the connection of comms.js (connection.py has the other end and the list of
 * operations). No other module may speak to the server in another way.
 */

define("WAWebSandboxWire", (exports, require) => {
  const comms = require("WAComms");
  const getBus = () => require("WAWebBackendEventBus").BackendEventBus;
  const getSession = () => require("WAWebSandboxSession").session;
  const getOffline = () => require("WAWebOfflineHandler").OfflineMessageHandler;
  const isRegistered = () => require("WAWebUserPrefsMultiDevice").isRegistered();

  let requestCount = 0;
  const openRequests = new Map();

  /* ----- to the server ----- */

  const OPS_WITH_ANSWER = new Set(["msg", "ping"]);

  // False: there is no connection, and the message is not sent later either.
  exports.send = (op, fields) => {
    const message = { op, ...fields };
    if (OPS_WITH_ANSWER.has(op)) return comms.sendSmaxStanza(message);
    return comms.castSmaxStanza(message);
  };

  // As on the real page, a request waits for a connection, and is sent again on each new one, without end.
  exports.request = (op, fields) => new Promise((resolve) => {
    const message = { op, n: ++requestCount, ...fields };
    openRequests.set(message.n, { message, resolve });
    comms.sendSmaxStanza(message);
  });

  function sendOpenRequests() {
    for (const { message } of openRequests.values()) comms.sendSmaxStanza(message);
  }

  function answerRequest(answer) {
    const { resolve } = openRequests.get(answer.n);
    openRequests.delete(answer.n);
    resolve(answer);
  }

  // Chromium lays out nested elements recursively, and its process ends when the stack is full.
  function crash() {
    let innermost = document.body;
    for (let depth = 0; depth < 200_000; depth += 1) {
      innermost = innermost.appendChild(document.createElement("div"));
    }
    return document.body.offsetHeight;
  }

  // The real server closes the stream after a pairing, and the page logs in. Source: WAWebHandleStreamError.
  function logInAfterPairing(account) {
    require("WAWebSandboxLogin").logIn(account);
    comms.stopComms();
    comms.startComms();
  }

  function enterMain(account) {
    getBus().triggerSetSocketState("CONNECTED");
    require("WAWebHandleSuccess").default(account);
  }

  /* ----- from the server ----- */

  const HANDLERS = {
    refs: ({ refs }) => require("WAWebHandlePairDevice").default(refs),
    primary_hello: () => require("WAWebLinkDeviceEvents").WAWebLinkDeviceEvents.triggerPrimaryHelloReceived(),
    paired: logInAfterPairing,
    welcome: enterMain,
    offline_preview: (preview) => getOffline().processOfflinePreview(preview),
    offline_stanza: () => getOffline().newOfflineStanza(),
    offline: () => getOffline().processOfflineIb(),
    failure: (failure) => require("WAWebHandleFailure").default(failure),
    conflict: () => require("WAWebHandleStreamError").default({ type: "replaced" }),
    unpaired: () => require("WAWebHandleStreamError").default({ type: "device_removed" }),
    logout: ({ reason }) => require("WAWebSocketModel").Socket.logout(reason),
    restricted: ({ mode }) => getBus().triggerSetSocketState(mode),
    time_lock: ({ is_active, enforcement_type, time_enforcement_ends }) =>
      require("WAWebMexReachoutTimelockNotificationHandler")
        .handleReachoutTimelockUpdate(is_active, enforcement_type, time_enforcement_ends),
    new_chat_cap: ({ op, ...update }) =>
      require("WAWebNewChatMessageCappingNotificationHandler").handleCapStatusUpdate(update),
    crash,
    ack: (ack) => require("WAWebSandboxOutbox").receiveAck(ack),
    receipt: (receipt) => require("WAWebSandboxReceipts").receiveReceipt(receipt),
    group: (update) => require("WAWebSandboxGroups").receiveGroup(update),
    inbound: (inbound) => require("WAWebSandboxInbox").receiveMessage(inbound),
  };

  exports.config = {
    buildHello() {
      const { noise, identity, adv } = getSession();
      return { op: "hello", linked: isRegistered(), noise, identity, adv };
    },
    // Each message that has no answer yet is sent once on each socket, as soon as it is open. Source: WAComms.
    onConnect() {
      sendOpenRequests();
      require("WAWebSandboxOutbox").sendAll();
    },
    handle(message) {
      if (openRequests.has(message.n)) answerRequest(message);
      else if (HANDLERS[message.op]) HANDLERS[message.op](message);
    },
  };
});

/* The start of the page. Sources: WAWebApp.react, WAWebLaunchSocket, WAWebStartBackend. */
define("WAWebLaunchSocket", (exports, require) => {
  const { BackendEventBus } = require("WAWebBackendEventBus");
  const isRegistered = () => require("WAWebUserPrefsMultiDevice").isRegistered();

  // A page that comes back from such a logout, and still has no storage, shows its code all the same.
  async function logOutWithoutStorage() {
    const { LogoutReason, LOGOUT_REASON_CODE } = require("WAWebLogoutReasonConstants");
    const previousCode = require("WAWebLogoutReason").getPrevLogoutReasonCode();
    if (!isRegistered() && previousCode === LOGOUT_REASON_CODE.CLIENT_FATAL) return;
    await require("WAWebSandboxLogout").logOutWithoutRequest(LogoutReason.WebFailStorageInitialization);
  }

  async function initializeStorage() {
    try {
      await require("WAWebSandboxStorage").initialize();
      await require("WAWebUserPrefsIndexedDBStorage").userPrefsIdb.init();
      return true;
    } catch (error) {
      BackendEventBus.triggerStorageInitializationError(error);
      return false;
    }
  }

  exports.launchSocket = async () => {
    BackendEventBus.onReconnectSocket(() => require("WAComms").closeSocketAndResume());
    BackendEventBus.onRefreshQR(() => require("WAWebLaunchSocketUtils").refreshQR());
    BackendEventBus.onStorageInitializationError(logOutWithoutStorage);
    const hasStorage = await initializeStorage();
    if (isRegistered()) {
      if (!hasStorage) return;
      require("WAWebUserPrefsIsLoggedIn").setIsConnectedAsRegistered(true);
      BackendEventBus.triggerInitialLoadReady();
    }
    require("WAComms").startComms(require("WAWebSandboxWire").config);
  };
});

// This file is the last of the script, so every module is defined when the page starts.
requireLazy(
  ["WAWebUpdaterVersion", "WAWebHandlePreviousLogout", "WAWebSandboxScreen", "WAWebAppMutex", "WAWebLaunchSocket"],
  async (version, previousLogout, screen, mutex, launch) => {
    window.Debug = { VERSION: version.SANITIZED_VERSION_STR };
    previousLogout.handlePreviousLogout();
    require("WAWebActionListener").start();
    screen.start();
    if (await mutex.default.init()) await launch.launchSocket();
    else screen.showOtherSession();
  },
);
