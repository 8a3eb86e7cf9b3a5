/*
 * Files. Nothing is uploaded, but each byte is read: the message carries the size and the hash.
 */

define("WAWebOpaqueData", (exports) => {
  exports.default = class OpaqueData {
    constructor(blob) { this.blob = blob; }
    throwIfReleased() {}
    type() { return this.blob.type; }
    forceToBlob() { return this.blob; }

    static async createFromData(data, type) {
      return new OpaqueData(data instanceof Blob ? data : new Blob([data], { type }));
    }
  };
});

define("WAWebMediaGatingUtils", (exports) => {
  const MEBIBYTE = 1024 * 1024;
  exports.getUploadLimit = (type) => (type === "document" ? 2048 : 100) * MEBIBYTE;
});

define("WAWebPrepRawMedia", (exports, require) => {
  async function sha256(blob) {
    const hash = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function getMediaType(blob, { asDocument, asSticker, isPtt }) {
    if (asDocument) return "document";
    if (asSticker) return "sticker";
    return isPtt ? "ptt" : blob.type.split("/")[0];
  }

  class MediaPrep {
    constructor(data, options) {
      this.blob = data.forceToBlob();
      const type = getMediaType(this.blob, options || {});
      this._mediaData = { type, mimetype: this.blob.type, size: this.blob.size };
    }

    async waitForPrep() {}

    // wa-js begins to listen for the message after this call.
    async sendToChat({ chat, options }) {
      const filehash = await sha256(this.blob);
      const { caption, productMsgOptions } = options;
      const values = { ...productMsgOptions, ...this._mediaData, caption, filehash };
      const [stored, sent] = require("WAWebSendMsgChatAction").addAndSendMsgToChat(chat, values);
      await stored;
      return sent;
    }
  }

  exports.MediaPrep = MediaPrep;
  exports.prepRawMedia = (data, options) => new MediaPrep(data, options);
  exports.uploadProductImage = () => {};
});
