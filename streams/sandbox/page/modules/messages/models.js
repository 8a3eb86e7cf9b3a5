/*
 * Models: messages, contacts, chats. They may only hold state; what they offer to do is done elsewhere.
 */

/* Each promise is waited for after those before it, whether they succeeded or not. */
define("WAInOrderPromiseQueue", (exports) => {
  exports.default = class InOrderPromiseQueue {
    constructor() { this._last = Promise.resolve(); }

    enqueue(promise) {
      promise.catch(() => {});
      const wait = () => promise;
      this._last = this._last.then(wait, wait);
      return this._last;
    }
  };
});

define("WAWebMsgModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");

  class MsgModel extends BaseModel {
    initialize() {
      this.ackUpdates = Promise.resolve();
      if (require("WAWebMsgModelUtils").typeIsMms(this)) require("WAWebMedia").registerMsgEarly(this);
    }

    // A lower ack changes nothing, except a refusal (source: WAWebMsgModel.updateAck).
    updateAck(ack) {
      if (this.ack !== undefined && ack <= this.ack && ack !== require("WAWebAck").ACK.FAILED) return;
      this.set("ack", ack);
      this.enqueueAckUpdate(() =>
        require("WAWebDBUpdateMessageTable").updateMessageTable(this.id, { ack }));
    }

    enqueueAckUpdate(update) {
      this.ackUpdates = this.ackUpdates.then(update, update);
      return this.ackUpdates;
    }

    async waitForPrep() {}

    async applyUpdate(changes) { this.set(changes); }

    isUnsentPhoneMsg() {
      return !this.local && this.id.fromMe && this.ack < require("WAWebAck").ACK.SENT;
    }

    get mediaData() { return require("WAWebMediaDownload").getMediaData(this); }

    downloadMedia() { return require("WAWebMediaDownload").download(this); }

    cancelUpload() { require("WAWebMedia").cancelUploadMsg(this); }

    async resumeUpload() {
      const result = await require("WAWebMedia").resumeUploadMsg(this);
      return result && result.messageSendResult;
    }

    // Of a message that an earlier page has made. The record is sent with the file that its row names, and
    // what is returned waits for a download that nothing starts (source: WAWebMsgModel.resumeRemoteUpload).
    resumeRemoteUpload() {
      if (this.isUnsentPhoneMsg()) require("WAWebSendMsgRecordAction").sendMsgRecord(this);
      return new Promise(() => {});
    }

    msgContextInfo(chatId) {
      const { getSender } = require("WAWebMsgGetters");
      return {
        quotedMsg: { type: this.type, body: this.body },
        quotedStanzaID: this.id.id,
        quotedParticipant: getSender(this),
        quotedRemoteJid: chatId && !this.id.remote.equals(chatId) ? this.id.remote : null,
      };
    }

    get senderObj() {
      const { ContactCollection } = require("WAWebContactCollection");
      return ContactCollection.gadd(require("WAWebMsgGetters").getSender(this));
    }

    getCollection() { return require("WAWebMsgCollection").MsgCollection; }
    getMsgChunk() { return require("WAWebFrontendMsgGetters").getChat(this).msgs; }
    safe() { return this; }
  }

  const ATTRIBUTES = [
    "id", "ack", "body", "type", "subtype", "from", "to", "author", "t", "self", "isNewMsg", "local",
    "invis", "search", "isSendFailure", "errorCode", "quotedStanzaID", "quotedParticipant", "quotedMsg",
    "quotedRemoteJid", "latestEditMsgKey", "isLive", "caption", "filename", "mimetype", "size",
    "filehash", "directPath", "isStatusV3", "parentMsgKey", "star", "isForwarded", "receipts",
  ];
  defineModel(MsgModel, "msg", Object.fromEntries(ATTRIBUTES.map((name) => [name, undefined])));
  exports.Msg = MsgModel;
});

define("WAWebMsgModelUtils", (exports) => {
  const MMS_TYPES = new Set(["image", "video", "audio", "ptt", "document", "sticker", "ptv"]);
  exports.typeIsMms = ({ type }) => MMS_TYPES.has(type);
});

define("WAWebContactModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  exports.default = defineModel(class ContactModel extends BaseModel {}, "contact", {
    id: undefined, name: undefined, pushname: undefined, isBusiness: false, isEnterprise: false,
    verifiedName: undefined, disappearingModeDuration: undefined, username: undefined,
  });
});

define("WAWebChatMsgsCollection", (exports, require) => {
  exports.ChatMsgsCollection = class ChatMsgsCollection extends
    require("WAWebBaseCollection").BaseCollection {
    constructor() {
      super();
      this.msgLoadState = { contextLoaded: false, noEarlierMsgs: false };
      this.loadAroundPromise = undefined;
    }

    add(items, options) { return super.add([].concat(items), options); }
  };
  exports.ChatMsgsCollection.model = require("WAWebMsgModel").Msg;
});

define("WAWebChatModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  const Queue = require("WAInOrderPromiseQueue").default;

  class ChatModel extends BaseModel {
    initialize() {
      this.msgs = new (require("WAWebChatMsgsCollection").ChatMsgsCollection)();
      this.msgs.msgLoadState.contextLoaded = true;
      this.presence = { async subscribe() {}, isUser: true, hasData: false };
      this.addQueue = new Queue();
      this.sendQueue = new Queue();
    }

    get contact() { return require("WAWebContactCollection").ContactCollection.gadd(this.id); }

    // The proof that the other side has written to this account; the server gives it.
    getTcToken() { return this.tcToken ?? null; }

    isTrusted() { return true; }
    isReadOnly() { return false; }

    waitForChatLoading() {
      if (!this.pendingInitialLoading) return Promise.resolve();
      return new Promise((resolve) => this.once("change:pendingInitialLoading", () => resolve()));
    }
  }

  exports.Chat = defineModel(ChatModel, "chat", {
    id: undefined, t: 0, unreadCount: 0, name: undefined, active: false, archive: false,
    isParentGroup: false, lastReceivedKey: undefined, pausedTimerId: undefined, createdLocally: false,
    pendingInitialLoading: false, tcToken: undefined, tcTokenTimestamp: undefined, groupMetadata: undefined,
  });
});
