/*
 * Linking: the QR codes that the page shows one after the other, and pairing codes. Nothing here may draw.
 */

/*
 * The server sends all codes at once. The first lives three times as long as each other one; after the last
 * the page is idle, and the old code stays where it was. Source: WAWebHandlePairDevice.
 */
define("WAWebHandlePairDevice", (exports, require) => {
  const FIRST_CODE_FACTOR = 3;
  let refs = [];
  let total = 0;
  let timer = null;

  function showNext() {
    const isOffline = !require("WAWebNetworkStatus").default.online;
    if (require("WAWebUserPrefsMultiDevice").isRegistered() || isOffline) return;
    const { BackendEventBus } = require("WAWebBackendEventBus");
    if (!refs.length) {
      BackendEventBus.triggerSetSocketState("UNPAIRED_IDLE");
      return;
    }
    const refTTL = SETTINGS.qr_ttl_s * 1000 * (refs.length === total ? FIRST_CODE_FACTOR : 1);
    require("WAWebConnModel").Conn.set({ ref: refs.shift(), refTTL });
    BackendEventBus.triggerSetSocketState("UNPAIRED");
    timer = setTimeout(showNext, refTTL);
  }

  exports.default = async (newRefs) => {
    await require("WAWebAdvSignatureApi").generateADVSecretKey();
    [refs, total] = [[...newRefs], newRefs.length];
    clearTimeout(timer);
    showNext();
  };
});

/* The code has three forms. Source: WAWebLinkDeviceQrcode.react. */
define("WAWebSandboxQrText", (exports, require) => {
  const ADDRESS = "https://wa.me/settings/linked_devices#";
  const SIXTH_FIELD = "https://faq.whatsapp.com/r/ld";

  exports.buildText = () => {
    const { ref } = require("WAWebConnModel").Conn;
    if (!ref) return null;
    const { noise, identity, adv } = require("WAWebSandboxSession").session;
    const { DEVICE_PLATFORM } = require("WAWebCompanionRegClientUtils");
    const fields = [ref, noise, identity, adv, DEVICE_PLATFORM];
    if (SETTINGS.qr_form === 3) fields.push(SIXTH_FIELD);
    return (SETTINGS.qr_form === 2 ? ADDRESS : "") + fields.join(",");
  };
});

define("WAWebPairingType", (exports) => {
  exports.PairingType = { QR_CODE: "QR_CODE", ALT_DEVICE_LINKING: "ALT_DEVICE_LINKING" };
});

/* Source: WAWebLinkDeviceEvents. */
define("WAWebLinkDeviceEvents", (exports, require) => {
  class LinkDeviceEvents extends require("WAWebEventEmitter").default {
    triggerRefreshAltLinkingCode() { this.trigger("link_device_events:refresh_alt_linking_code"); }
    triggerErrorAltLinking() { this.trigger("link_device_events:error_alt_linking"); }
    triggerPrimaryHelloReceived() { this.trigger("link_device_events:primary_hello_received"); }
  }
  exports.WAWebLinkDeviceEvents = new LinkDeviceEvents();
});

/* A flow begins with an initialization, each time. Source: WAWebAltDeviceLinkingApi. */
define("WAWebAltDeviceLinkingApi", (exports, require) => {
  const { PairingType } = require("WAWebPairingType");
  let pairingType = PairingType.QR_CODE;
  let stage = "NotStarted";

  exports.AltPairingStage = buildEnum(
    "NotStarted", "Initialized", "AfterSendCompanionHello", "AfterSendCompanionFinish",
  );
  exports.getPairingType = () => pairingType;
  exports.setPairingType = (type) => { pairingType = type; };
  exports.initializeAltDeviceLinking = async () => {
    stage = "Initialized";
    pairingType = PairingType.ALT_DEVICE_LINKING;
  };
  exports.initializeQRLinking = async () => {
    stage = "NotStarted";
    pairingType = PairingType.QR_CODE;
  };
  exports.startAltLinkingFlow = async (phone) => {
    if (stage !== "Initialized") throw new Error(`alt pairing: unexpected stage ${stage}`);
    const digits = String(phone).replace(/\D/g, "");
    const { code } = await require("WAWebSandboxWire").request("pair_code", { phone: digits });
    stage = "AfterSendCompanionHello";
    return code;
  };
});

/* Source: WAWebLinkDeviceAction. */
define("WAWebLinkDeviceAction", (exports, require) => {
  exports.genLinkDeviceCodeForPhoneNumber = (phone, shouldPush) =>
    require("WAWebAltDeviceLinkingApi").startAltLinkingFlow(phone, shouldPush);
  exports.refreshAltLinkingCode = () => {
    require("WAWebLinkDeviceEvents").WAWebLinkDeviceEvents.triggerRefreshAltLinkingCode();
  };
});
