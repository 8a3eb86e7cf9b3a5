/*
 * Files. Each byte is read, and the message carries the size and the hash; the upload itself is one request
 * to the server, without the bytes.
 */

define("WAWebMediaOpaqueData", (exports) => {
  class OpaqueData {
    constructor(blob) { this.blob = blob; }
    throwIfReleased() {}
    retain() {}
    autorelease() {}
    autoreleaseWhenPromiseCompletes() {}
    type() { return this.blob.type; }
    size() { return this.blob.size; }
    url() { return URL.createObjectURL(this.blob); }
    forceToBlob() { return this.blob; }
    formData() { return this.blob; }

    static async createFromData(data, type) {
      const isFit = data instanceof Blob && data.type === type;
      return new OpaqueData(isFit ? data : new Blob([data], { type }));
    }
  }
  exports.default = OpaqueData;
});

define("WAWebMediaGatingUtils", (exports) => {
  const MEBIBYTE = 1024 * 1024;
  exports.getUploadLimit = (type) => (type === "document" ? 2048 : 100) * MEBIBYTE;
});

define("WAWebMediaTypes", (exports) => {
  exports.UploadStage = buildEnum(
    "INIT", "NEED_UPLOAD", "UPLOADING", "FINALIZING", "UPLOADED", "ERROR_TOO_LARGE", "ERROR_MISSING",
    "ERROR_FORBIDDEN", "ERROR_THROTTLED", "ERROR_FILE_NOT_READABLE",
  );
});

define("WAWebUploadManager", (exports, require) => {
  // The servers for files are not those for messages: a lost socket does not stop an upload.
  exports.default = {
    async encryptAndUpload({ blob, type, chatId, signal }) {
      const { noise } = require("WAWebSandboxSession").session;
      const body = JSON.stringify({ noise, type, to: String(chatId), size: blob.size });
      const response = await fetch("/mms/upload", { method: "POST", body, signal });
      if (!response.ok) throw Object.assign(new Error("upload failed"), { status: response.status });
      return response.json();
    },
  };
});

define("WAWebMediaMmsV4Upload", (exports, require) => {
  const { UploadStage } = require("WAWebMediaTypes");
  const KIND = { SUCCESS: "success", CANCELLATION: "cancellation", ERROR: "error", TIMEOUT: "timeout" };
  const STAGES = {
    401: UploadStage.ERROR_FORBIDDEN, 403: UploadStage.ERROR_FORBIDDEN, 413: UploadStage.ERROR_TOO_LARGE,
    429: UploadStage.ERROR_THROTTLED, 507: UploadStage.ERROR_THROTTLED,
  };
  exports.UploadMediaResultKind = KIND;

  async function upload(mediaObject, query) {
    const { signal } = mediaObject.uploadController;
    try {
      mediaObject.uploadStage = UploadStage.UPLOADING;
      const request = { ...query, blob: mediaObject.mediaBlob.forceToBlob(), signal };
      mediaObject.entry ||= await require("WAWebUploadManager").default.encryptAndUpload(request);
      mediaObject.uploadStage = UploadStage.UPLOADED;
      return { kind: KIND.SUCCESS, mediaEntry: mediaObject.entry };
    } catch (error) {
      mediaObject.uploadStage = STAGES[error.status] || UploadStage.NEED_UPLOAD;
      return { kind: error.name === "AbortError" ? KIND.CANCELLATION : KIND.ERROR };
    } finally {
      mediaObject.uploadPromise = null;
    }
  }

  // Two messages with the same file share one upload.
  exports.uploadMedia = ({ mediaObject, mediaType, chatId }) => {
    if (!mediaObject.uploadPromise) {
      mediaObject.uploadController = new AbortController();
      mediaObject.uploadPromise = upload(mediaObject, { type: mediaType, chatId });
    }
    return mediaObject.uploadPromise;
  };
  exports.cancelUploadMedia = (mediaObject) => {
    if (mediaObject.uploadPromise) mediaObject.uploadController.abort();
  };
});

define("WAWebMediaStorage", (exports, require) => {
  const MediaObject = require("WAWebMediaObject").default;
  const mediaObjects = new Map();
  exports.getOrCreateMediaObject = (filehash) => {
    if (!mediaObjects.has(filehash)) mediaObjects.set(filehash, new MediaObject(filehash));
    return mediaObjects.get(filehash);
  };
});

define("WAWebMediaPrep", (exports, require) => {
  const { SendMsgResult } = require("WAWebSendMsgResultAction");
  const { ACK } = require("WAWebAck");

  async function buildValues(prep, { caption, type, productMsgOptions }) {
    const mediaData = await prep.waitForPrep();
    const { mimetype, size, filehash } = mediaData;
    require("WAWebMediaStorage").getOrCreateMediaObject(filehash).consolidate(mediaData.toJSON());
    return { ...productMsgOptions, type: type || mediaData.type, mimetype, size, caption, filehash };
  }

  const UPLOAD_FAILURES = new Set(["NEED_UPLOAD", "ERROR_TOO_LARGE", "ERROR_FORBIDDEN", "ERROR_THROTTLED"]);

  // Only a cancelled or failed upload has a result of its own; the rest is what sendMsgRecord returned.
  function describeFailure(result, kind, { uploadStage }) {
    if (kind === "cancellation") return { messageSendResult: SendMsgResult.ERROR_CANCELLED };
    if (UPLOAD_FAILURES.has(uploadStage)) return { messageSendResult: SendMsgResult.ERROR_UPLOAD };
    if (uploadStage === "ERROR_MISSING") return { messageSendResult: SendMsgResult.ERROR_EXPIRED };
    if (kind === "error") return { messageSendResult: SendMsgResult.ERROR_UPLOAD };
    return result || { messageSendResult: SendMsgResult.ERROR_UNKNOWN };
  }

  // Any result but OK sets the model's ack to -1, in memory alone: also one of this page itself, and also
  // after the server's ack (source: WAWebMediaPrep.sendMediaMsgToChat).
  async function sendToChat(prep, chat, options) {
    let [model, kind] = [null, null];
    const upload = async (added) => {
      model = added;
      kind = await require("WAWebMediaUploadMediaWithPrep").uploadMediaWithPrep(model);
      if (kind !== "success") throw new Error("upload failed: media entry was not created");
    };
    const { addAndSendMsgToChat } = require("WAWebSendMsgChatAction");
    const [, sent] = addAndSendMsgToChat(chat, buildValues(prep, options), upload);
    const result = await sent.catch(() => null);
    if (result && result.messageSendResult === SendMsgResult.OK) return { ...result, msg: model };
    if (model) model.ack = ACK.FAILED;
    return describeFailure(result, kind, model ? model.mediaObject : {});
  }

  exports.MediaPrep = class MediaPrep {
    constructor(type, processed) {
      this.baseType = type;
      this.mediaData = new (require("WAWebMediaData").default)({ type });
      this._processed = processed.then((values) => this.mediaData.set(values));
      this._processed.catch(() => {}); // whoever waits for it gets the error
    }

    async waitForPrep() { return this._processed; }
    sendToChat({ chat, options }) { return sendToChat(this, chat, options); }
  };
});

define("WAWebMediaUploadMediaWithPrep", (exports, require) => {
  // Returns how it ended. The entry of the uploaded file is in the message's row from then on.
  exports.uploadMediaWithPrep = async (model) => {
    const { mediaObject } = model;
    const { uploadMedia } = require("WAWebMediaMmsV4Upload");
    const query = { mediaObject, mediaType: model.type, chatId: model.id.remote };
    const { kind, mediaEntry } = await uploadMedia(query);
    if (mediaEntry) {
      const changes = { directPath: mediaEntry.directPath };
      await require("WAWebDBUpdateMessageTable").updateMessageTable(model.id, changes);
      model.set(changes);
    }
    return kind;
  };
});

define("WAWebMedia", (exports, require) => {
  exports.MediaPrep = require("WAWebMediaPrep").MediaPrep;
  exports.prepRawMedia = require("WAWebPrepRawMedia").prepRawMedia;
  exports.uploadProductImage = () => {};

  exports.registerMsgEarly = (model) => {
    model.mediaObject = require("WAWebMediaStorage").getOrCreateMediaObject(model.filehash);
  };
  exports.cancelUploadMsg = ({ mediaObject }) => {
    require("WAWebMediaMmsV4Upload").cancelUploadMedia(mediaObject);
  };
  exports.resumeUploadMsg = (model) => {
    model.ack = require("WAWebAck").ACK.CLOCK;
    const ready = (async () => {
      const kind = await require("WAWebMediaUploadMediaWithPrep").uploadMediaWithPrep(model);
      if (kind !== "success") throw new Error("upload failed: media entry was not created");
      return model;
    })();
    const chat = require("WAWebFrontendMsgGetters").getChat(model);
    const { resendMsgToChat } = require("WAWebSendMsgChatAction");
    return resendMsgToChat(chat, ready).catch(() => {
      model.ack = require("WAWebAck").ACK.FAILED;
    });
  };
});
