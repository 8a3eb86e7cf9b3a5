/*
 * The session: the device's keys, the account, connection, socket and stream. These modules may only
 * hold state; wire.js changes it.
 */

/*
 * The device's keys and its registration. All of it is in localStorage, so a page that is killed before
 * the browser has written it comes back unlinked.
 */
define("WAWebSandboxSession", (exports) => {
  const NAME = "sandbox-session";
  const createKey = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
  const createSession = () => ({
    noise: createKey(), identity: createKey(), adv: createKey(), me: null, lid: null,
  });
  const stored = localStorage.getItem(NAME);

  exports.session = stored ? JSON.parse(stored) : createSession();
  exports.save = () => localStorage.setItem(NAME, JSON.stringify(exports.session));
  exports.clear = () => {
    localStorage.removeItem(NAME);
    Object.assign(exports.session, { me: null, lid: null });
  };
  exports.save();
});

define("WAWebUserPrefsInfoStore", (exports, require) => {
  exports.waNoiseInfo = {
    async get() {
      const { noise } = require("WAWebSandboxSession").session;
      return { staticKeyPair: { pubKey: require("WABase64").decodeB64(noise) } };
    },
  };
});

define("WAWebSignalStoreApi", (exports, require) => {
  exports.waSignalStore = {
    async getRegistrationInfo() {
      const { identity } = require("WAWebSandboxSession").session;
      return { identityKeyPair: { pubKey: require("WABase64").decodeB64(identity) } };
    },
  };
});

define("WAWebUserPrefsMultiDevice", (exports, require) => {
  exports.getADVSecretKey = () => require("WAWebSandboxSession").session.adv;
  exports.setADVSignedIdentity = () => {};
});

define("WAWebUserPrefsMeUser", (exports, require) => {
  const readWid = (name) => {
    const text = require("WAWebSandboxSession").session[name];
    return text ? require("WAWebWidFactory").createWid(text) : undefined;
  };
  exports.getMaybeMePnUser = () => readWid("me");
  exports.getMaybeMeLidUser = () => readWid("lid");
  exports.getMe = () => readWid("me");
  exports.getMeLidUserOrThrow = () => {
    const lid = readWid("lid");
    if (!lid) throw new Error("no lid");
    return lid;
  };
  exports.getMeUserMatchingAddressingModeOrThrow = (wid) =>
    (wid.isLid() ? exports.getMeLidUserOrThrow() : readWid("me"));
  exports.isMePrimary = (wid) =>
    Boolean(wid) && [readWid("me"), readWid("lid")].some((me) => Boolean(me) && me.equals(wid));
  exports.isMeAccount = exports.isMePrimary;
  exports.isSerializedWidMe = (text) => exports.isMePrimary(require("WAWebWidFactory").createWid(text));
});

define("WAWebUserPrefsLogin", (exports, require) => {
  exports.isLoggedIn = () => Boolean(require("WAWebSandboxSession").session.me);
});

define("WAWebUserPrefsRegistration", (exports, require) => {
  exports.isRegistered = () => Boolean(require("WAWebSandboxSession").session.me);
});

define("WAWebConnModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  exports.ConnImpl = defineModel(class Conn extends BaseModel {}, "conn", {
    id: "conn", ref: undefined, refTTL: 20000, connected: undefined, wid: undefined,
    pushname: undefined, platform: undefined, isSMB: false,
  });
  exports.Conn = new exports.ConnImpl();
});

define("WAWebSocketModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  class Socket extends BaseModel {
    logout() { return require("WAWebSandboxWire").logout(); }
    poke() {}
  }
  // whatsapp-web.js waits for a change of hasSynced that comes after it has begun to listen.
  defineModel(Socket, "socket", { state: "UNLAUNCHED", stream: "DISCONNECTED", hasSynced: false });
  exports.Socket = new Socket();
});

define("WAWebStreamModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  class Stream extends BaseModel {
    markAvailable() { this.available = true; }
    markUnavailable() { this.available = false; }
  }
  defineModel(Stream, "stream", {
    mode: undefined, info: "OFFLINE", needsUpdate: false, available: false,
  });
  exports.Stream = new Stream();
});

define("WAWebNetworkStatus", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  class NetworkStatus extends BaseModel {
    checkOnline() { return this.online; }
  }
  exports.default = new (defineModel(NetworkStatus, "network_status", { online: true }))();
});

define("WAWebCmd", (exports, require) => {
  exports.CmdImpl = class CmdImpl extends require("WAWebEventEmitter").default {
    constructor() {
      super();
      this.isMainLoaded = false;
    }

    refreshQR() { this.trigger("refresh_qr"); }
    setActiveFilter() {}
  };
  exports.Cmd = new exports.CmdImpl();
});

define("WAWebBackendEventBus", (exports, require) => {
  exports.BackendEvent = { SetSocketState: "set_socket_state" };
  exports.BackendEventBus = new (require("WAWebEventEmitter").default)();
});

define("WAWebLinkDeviceEvents", (exports, require) => {
  const events = new (require("WAWebEventEmitter").default)();
  events.triggerRefreshAltLinkingCode = () => {
    events.trigger("link_device_events:refresh_alt_linking_code");
  };
  exports.WAWebLinkDeviceEvents = events;
});

define("WAWebLogoutReason", (exports) => { exports.getErrorCodeFromLogoutReason = () => 0; });

define("WAWebAltDeviceLinkingApi", (exports, require) => {
  let initialized = false;
  exports.setPairingType = () => {};
  exports.initializeAltDeviceLinking = async () => { initialized = true; };
  exports.genLinkDeviceCodeForPhoneNumber = async (phone) => {
    if (!initialized) throw new Error("alternative device linking is not initialized");
    const digits = String(phone).replace(/\D/g, "");
    return (await require("WAWebSandboxWire").request("pair_code", { phone: digits })).code;
  };
  exports.startAltLinkingFlow = exports.genLinkDeviceCodeForPhoneNumber;
});
