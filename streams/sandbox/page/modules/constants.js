/*
 * WhatsApp's enums, constants and small utilities. Nothing here may have state.
 */

define("WAWebSocketConstants", (exports) => {
  exports.SOCKET_STATE = buildEnum(
    "OPENING", "PAIRING", "UNPAIRED", "UNPAIRED_IDLE", "CONNECTED", "CONFLICT", "UNLAUNCHED",
    "PROXYBLOCK", "TOS_BLOCK", "SMB_TOS_BLOCK", "SCREEN_LOCKED",
  );
  exports.SOCKET_STREAM = buildEnum("DISCONNECTED", "SYNCING", "RESUMING", "CONNECTED");
});

define("WAWebAck", (exports) => {
  exports.ACK = {
    MD_DOWNGRADE: -7, INACTIVE: -6, CONTENT_UNUPLOADABLE: -5, CONTENT_TOO_BIG: -4, CONTENT_GONE: -3,
    EXPIRED: -2, FAILED: -1, CLOCK: 0, SENT: 1, RECEIVED: 2, READ: 3, PLAYED: 4, PEER: 5,
  };
  exports.ACK_STRING = { SENDER: "sender", DELIVERY: "delivery", READ: "read", PLAYED: "played" };
  exports.EDIT_ATTR = { SENDER_REVOKE: 7, ADMIN_REVOKE: 8 };
});

define("WAWebSendMsgResultAction", (exports) => {
  exports.SendMsgResult = buildEnum(
    "OK", "ERROR_NETWORK", "ERROR_EXPIRED", "ERROR_CANCELLED", "ERROR_UPLOAD", "ERROR_UNKNOWN",
  );
});

define("WAWebMsgType", (exports) => {
  exports.MSG_TYPE = {
    AUDIO: "audio", CHAT: "chat", DOCUMENT: "document", IMAGE: "image", LOCATION: "location",
    MULTI_VCARD: "multi_vcard", POLL_CREATION: "poll_creation", PROTOCOL: "protocol", PTT: "ptt",
    REACTION: "reaction", REVOKED: "revoked", STICKER: "sticker", VCARD: "vcard", VIDEO: "video",
  };
});

define("WAWebBuildConstants", (exports) => {
  exports.VERSION_BASE = "2.3000.1048032155";
  exports.VERSION_STR = exports.VERSION_BASE;
});

define("WAWebUpdaterVersion", (exports, require) => {
  exports.SANITIZED_VERSION_STR = require("WAWebBuildConstants").VERSION_BASE;
});

define("WAWebIsOfficialClient", (exports) => { exports.isOfficialClient = false; });

define("WATimeUtils", (exports) => {
  exports.unixTime = () => Math.floor(Date.now() / 1000);
  exports.unixTimeMs = () => Date.now();
});

define("WABase64", (exports) => {
  exports.encodeB64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
  exports.decodeB64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
});
