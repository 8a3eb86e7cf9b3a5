/*
 * Who this device is: its keys, its registration, its account. These modules may only hold state.
 */

/*
 * The device's keys and its registration. All of it is in localStorage, so a page that is killed before
 * the browser has written it comes back unlinked.
 */
define("WAWebSandboxSession", (exports) => {
  const NAME = "sandbox-session";
  const createKey = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
  const createSession = () => ({
    noise: createKey(), identity: createKey(), adv: createKey(), me: null, lid: null, device: null,
  });
  const stored = localStorage.getItem(NAME);

  exports.session = stored ? JSON.parse(stored) : createSession();
  exports.save = () => localStorage.setItem(NAME, JSON.stringify(exports.session));
  exports.clear = () => {
    localStorage.removeItem(NAME);
    Object.assign(exports.session, { me: null, lid: null, device: null });
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
  exports.isRegistered = () => Boolean(require("WAWebSandboxSession").session.me);
  exports.getADVSecretKey = () => require("WAWebSandboxSession").session.adv;
  exports.advSecretEventEmitter = new (require("WAWebEventEmitter").default)();
});

define("WAWebAdvSignatureApi", (exports, require) => {
  exports.getADVSecretKey = async () => require("WAWebSandboxSession").session.adv;
  exports.generateADVSecretKey = async () => {};
  exports.setADVSignedIdentity = async () => {};
});

define("WAWebCompanionRegClientUtils", (exports) => { exports.DEVICE_PLATFORM = "1"; });

define("WAWebUserPrefsMeUser", (exports, require) => {
  const readWid = (name) => {
    const text = require("WAWebSandboxSession").session[name];
    return text ? require("WAWebWidFactory").createWid(text) : undefined;
  };
  const readWidOrThrow = (name) => {
    const wid = readWid(name);
    if (!wid) throw new Error(`no ${name}`);
    return wid;
  };
  exports.getMaybeMePnUser = () => readWid("me");
  exports.getMaybeMeDevicePn = () => {
    const { me, device } = require("WAWebSandboxSession").session;
    return me ? require("WAWebWidFactory").createWid(me.replace("@", `:${device}@`)) : undefined;
  };
  exports.getMaybeMeLidUser = () => readWid("lid");
  exports.getMeLidUserOrThrow = () => readWidOrThrow("lid");
  exports.getMeUserMatchingAddressingModeOrThrow = (wid) => readWidOrThrow(wid.isLid() || wid.isGroup() ? "lid" : "me");
  exports.isMePrimary = (wid) =>
    Boolean(wid) && [readWid("me"), readWid("lid")].some((me) => Boolean(me) && me.equals(wid));
  exports.isMeAccount = exports.isMePrimary;
  exports.isSerializedWidMe = (text) => exports.isMePrimary(require("WAWebWidFactory").createWid(text));
});

/* Registered, and the start of the page has come so far. Source: WAWebUserPrefsIsLoggedIn. */
define("WAWebUserPrefsIsLoggedIn", (exports, require) => {
  let isConnectedAsRegistered = false;
  exports.setIsConnectedAsRegistered = (value) => { isConnectedAsRegistered = value; };
  exports.isLoggedIn = () =>
    require("WAWebUserPrefsMultiDevice").isRegistered() && isConnectedAsRegistered;
});

define("WAWebConnModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  const Conn = defineModel(class Conn extends BaseModel {}, "conn", {
    id: "1", ref: undefined, refTTL: undefined, connected: undefined, wid: undefined,
    pushname: undefined, platform: undefined, isSMB: false,
  });
  exports.Conn = new Conn();
});
