/*
 * Files before their upload: what the page knows of one, and where it keeps it. Nothing here is uploaded or
 * sent; messages/media.js does that.
 */

define("WAWebMediaData", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  exports.default = defineModel(class MediaData extends BaseModel {}, "media-data", {
    type: "unknown", mimetype: undefined, size: undefined, filehash: undefined, mediaBlob: undefined,
    renderableUrl: undefined, preview: undefined, isGif: undefined, waveform: undefined, directPath: undefined,
    mediaKey: undefined, encFilehash: undefined, isViewOnce: false,
  });
});

/* Source: WAWebProcessRawMedia, without the work on pictures. What is in the file decides only its hash. */
define("WAWebProcessRawMedia", (exports) => {
  const MEDIA_TYPES = new Set(["image", "video", "audio"]);

  async function hash(blob) {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function getType(mimetype, { asDocument, asSticker, isPtt }) {
    if (asDocument) return "document";
    if (asSticker) return "sticker";
    const type = mimetype.split("/")[0];
    if (type === "audio" && isPtt) return "ptt";
    return MEDIA_TYPES.has(type) ? type : "document";
  }

  exports.processRawMedia = async (mediaBlob, options) => ({
    type: getType(mediaBlob.type(), options), mimetype: mediaBlob.type(), size: mediaBlob.size(),
    filehash: await hash(mediaBlob.forceToBlob()), isGif: options.asGif, mediaBlob,
  });
});

define("WAWebPrepRawMedia", (exports, require) => {
  function getBaseType({ isPtt, asDocument, asGif, isAudio, asSticker }) {
    if (isPtt) return "ptt";
    if (asDocument) return "document";
    if (asGif) return "video";
    if (isAudio) return "audio";
    return asSticker ? "sticker" : "unknown";
  }

  exports.prepRawMedia = (data, options = {}) => {
    const { processRawMedia } = require("WAWebProcessRawMedia");
    const processed = Promise.resolve(data).then((opaqueData) => processRawMedia(opaqueData, options));
    return new (require("WAWebMediaPrep").MediaPrep)(getBaseType(options), processed);
  };
});

/* One for all messages with the same file: what is known of it, and its upload. */
define("WAWebMediaObject", (exports) => {
  exports.default = class MediaObject {
    constructor(filehash) {
      this.filehash = filehash;
      this.uploadStage = "INIT";
      this.contentInfo = {};
    }

    consolidate(values) { Object.assign(this, values); }
  };
});

define("WAWebMmsMediaTypes", (exports) => {
  const MEDIA_TYPES = buildEnum("image", "video", "audio", "ptt", "ptv", "document", "sticker", "gif");
  exports.MEDIA_TYPES = MEDIA_TYPES;
  exports.castToV4 = (type) => {
    if (!MEDIA_TYPES[type]) throw new Error(`not a media type: ${type}`);
    return type;
  };
  exports.msgToMediaType = ({ type, isGif }) => {
    if (!MEDIA_TYPES[type]) throw new Error(`msg is not a media msg: ${type}, isGif=${isGif}`);
    return type === "video" && isGif ? MEDIA_TYPES.gif : type;
  };
});

define("WAWebMediaDataUtils", (exports) => {
  const CACHED_TYPES = new Set(["sticker", "image", "ptt", "audio", "document"]);
  exports.shouldUseMediaCache = (type) => CACHED_TYPES.has(type);
  exports.processRawSticker = () => {};
});

define("WAWebMediaInMemoryBlobCache", (exports) => {
  exports.InMemoryMediaBlobCacheImpl = class InMemoryMediaBlobCache {
    constructor() { this._blobs = new Map(); }
    put(filehash, blob) { this._blobs.set(filehash, blob); }
    get(filehash) { return this._blobs.get(filehash); }
    has(filehash) { return this._blobs.has(filehash); }
    delete(filehash) { this._blobs.delete(filehash); }
  };
  exports.InMemoryMediaBlobCache = new exports.InMemoryMediaBlobCacheImpl();
});

/* A file that somebody sent to the account. It is in memory until the page is reloaded. */
define("WAWebMediaDownload", (exports, require) => {
  exports.getMediaData = (message) => {
    if (!require("WAWebMsgModelUtils").typeIsMms(message)) return undefined;
    return { filehash: message.filehash, mimetype: message.mimetype };
  };

  exports.download = async ({ filehash, directPath }) => {
    const response = await fetch(directPath);
    if (!response.ok) throw new Error(`download failed: ${response.status}`);
    const { InMemoryMediaBlobCache } = require("WAWebMediaInMemoryBlobCache");
    InMemoryMediaBlobCache.put(filehash, await response.blob());
  };
});

/* WhatsApp measures its uploads; nothing follows from it. */
defineStubs("WAWebStartMediaUploadQpl", ["startMediaUploadQpl"], {});
