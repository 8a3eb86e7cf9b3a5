/*
 * Models and collections: messages, contacts, chats. They may only hold and store; nothing here sends.
 */

define("WAWebMsgModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");

  class MsgModel extends BaseModel {
    updateAck(ack) { this.set("ack", ack); }

    msgContextInfo() {
      const me = require("WAWebUserPrefsMeUser").getMaybeMePnUser();
      return {
        quotedMsg: { type: this.type, body: this.body },
        quotedStanzaID: this.id.id,
        quotedParticipant: this.id.fromMe ? me : this.from,
        quotedRemoteJid: undefined,
      };
    }
  }

  const ATTRIBUTES = [
    "id", "ack", "body", "type", "from", "to", "t", "self", "isNewMsg", "local", "quotedStanzaID",
    "quotedParticipant", "quotedMsg", "quotedRemoteJid", "latestEditMsgKey", "isLive", "caption",
    "filename", "mimetype", "isStatusV3",
  ];
  defineModel(MsgModel, "msg", Object.fromEntries(ATTRIBUTES.map((name) => [name, undefined])));
  exports.Msg = MsgModel;
  exports.default = MsgModel;
});

define("WAWebContactModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  exports.Contact = defineModel(class ContactModel extends BaseModel {}, "contact", {
    id: undefined, name: undefined, pushname: undefined, isBusiness: false, verifiedName: undefined,
    disappearingModeDuration: undefined, username: undefined,
  });
  exports.default = exports.Contact;
});

define("WAWebChatModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  const Collection = require("WAWebCollection").default;

  class ChatMessages extends Collection {}
  ChatMessages.model = require("WAWebMsgModel").Msg;

  class ChatModel extends BaseModel {
    initialize() {
      this.msgs = new ChatMessages();
      this.presence = { async subscribe() {}, isUser: true, hasData: false };
    }
  }

  exports.Chat = defineModel(ChatModel, "chat", {
    id: undefined, t: 0, unreadCount: 0, name: undefined, active: false, archive: false,
    isParentGroup: false, lastReceivedKey: undefined, pausedTimerId: undefined,
  });
  exports.default = exports.Chat;
});

define("WAWebMsgCollection", (exports, require) => {
  const { BaseCollection } = require("WAWebBaseCollection");
  const { createWid } = require("WAWebWidFactory");
  const MsgKey = require("WAWebMsgKey");

  // The attributes of a message that are stored on disk; ids are stored as text.
  const STORED = [
    "ack", "body", "type", "t", "self", "quotedStanzaID", "quotedMsg", "caption", "filename",
    "mimetype", "size", "filehash", "lat", "lng", "loc", "pollName", "pollOptions",
    "pollSelectableOptionsCount", "vcardFormattedName",
  ];
  const STORED_IDS = ["id", "from", "to", "quotedParticipant"];

  class MsgCollectionImpl extends BaseCollection {
    // wa-js replaces this function with its own.
    async processMultipleMessages(chatId, values) {
      return values.map((message) => this.addToChat(message));
    }

    addToChat(values) {
      const model = this.add(values);
      const chats = require("WAWebChatCollection").ChatCollection;
      const chat = chats.gadd(model.id.remote);
      chat.msgs.add(model);
      chat.set({ t: model.t, lastReceivedKey: model.id });
      return model;
    }

    buildRow(model) {
      const row = {};
      for (const name of STORED) if (model.get(name) !== undefined) row[name] = model.get(name);
      for (const name of STORED_IDS) if (model.get(name)) row[name] = String(model.get(name));
      if (model.self === "out" && model.ack === 0) row.pending = 1;
      return row;
    }

    parseRow({ pending, ...row }) {
      const parseWid = (text) => text && createWid(text);
      return {
        ...row, id: MsgKey.fromString(row.id), from: parseWid(row.from), to: parseWid(row.to),
        quotedParticipant: parseWid(row.quotedParticipant),
      };
    }

    async getMessagesById(keys) {
      const messages = [];
      for (const key of keys) {
        const model = this.get(key) || (await this._readFromDisk(key));
        if (model) messages.push(model);
      }
      return { messages };
    }

    async _readFromDisk(key) {
      const row = await require("WAWebSandboxStorage").get("message", String(key));
      return row && this.addToChat(this.parseRow(row));
    }

    save(model) {
      return require("WAWebSandboxStorage").put("message", this.buildRow(model));
    }
  }
  MsgCollectionImpl.model = require("WAWebMsgModel").Msg;
  exports.MsgCollectionImpl = MsgCollectionImpl;
  exports.MsgCollection = new MsgCollectionImpl();
});

define("WAWebChatCollection", (exports, require) => {
  class ChatCollectionImpl extends require("WAWebBaseCollection").BaseCollection {}
  ChatCollectionImpl.model = require("WAWebChatModel").Chat;
  exports.ChatCollectionImpl = ChatCollectionImpl;
  exports.ChatCollection = new ChatCollectionImpl();
});

define("WAWebContactCollection", (exports, require) => {
  class ContactCollectionImpl extends require("WAWebBaseCollection").BaseCollection {}
  ContactCollectionImpl.model = require("WAWebContactModel").Contact;
  exports.ContactCollectionImpl = ContactCollectionImpl;
  exports.ContactCollection = new ContactCollectionImpl();
});

define("WAWebMsgInfoCollection", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  const MsgInfo = defineModel(class MsgInfo extends BaseModel {}, "msg-info", { id: undefined });

  class MsgInfoCollection extends require("WAWebBaseCollection").BaseCollection {
    async find(key) {
      const { createWid } = require("WAWebWidFactory");
      const fields = { to: String(key.remote), id: key.id };
      const info = await require("WAWebSandboxWire").request("msg_info", fields);
      const parseRows = (rows) => rows.map(({ id, t }) => ({ id: createWid(id), t }));
      return {
        delivery: parseRows(info.delivery), read: parseRows(info.read), played: [],
        deliveryRemaining: 0, readRemaining: 0,
      };
    }
  }
  MsgInfoCollection.model = MsgInfo;
  exports.MsgInfoCollection = new MsgInfoCollection();
});

define("WAWebCollections", (exports, require) => {
  const defineGetter = (get) => ({ enumerable: true, get });
  Object.defineProperties(exports, {
    Chat: defineGetter(() => require("WAWebChatCollection").ChatCollection),
    Contact: defineGetter(() => require("WAWebContactCollection").ContactCollection),
    Msg: defineGetter(() => require("WAWebMsgCollection").MsgCollection),
  });
});
