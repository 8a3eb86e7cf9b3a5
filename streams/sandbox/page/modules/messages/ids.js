/*
 * Identifiers: ids of users and chats (Wid), and keys of messages (MsgKey). Pure.
 */

define("WAWebWid", (exports) => {
  class Wid {
    constructor(text) {
      const parts = /^([^@]*)@(.+)$/.exec(text);
      if (!parts) throw new Error(`wid error: invalid wid ${text}`);
      const [user, device] = parts[1].split(":");
      this.user = user;
      this.device = device ? Number(device) : undefined;
      this.server = parts[2] === "s.whatsapp.net" ? "c.us" : parts[2];
      this._serialized = `${parts[1]}@${this.server}`;
    }

    toString() { return this._serialized; }
    toJSON() { return this._serialized; }
    toLogString() { return this._serialized; }
    toJid() { return this._serialized.replace("@c.us", "@s.whatsapp.net"); }
    equals(other) { return other instanceof Wid && this._serialized === other.toString(); }
    isSameAccountAndAddressingMode(other) { return this.equals(other); }

    isUser() { return this.server === "c.us" || this.isLid(); }
    isRegularUser() { return this.isUser(); }
    isLid() { return this.server === "lid"; }
    isGroup() { return this.server === "g.us"; }
    isBroadcast() { return this.server === "broadcast"; }
    isNewsletter() { return this.server === "newsletter"; }
    isBot() { return this.server === "bot"; }
    isStatusV3() { return this._serialized === "status@broadcast"; }
    isStatus() { return this.isStatusV3(); }
    isPSA() { return this._serialized === "0@c.us"; }

    static equals(first, second) { return Boolean(first) && first.equals(second); }
    static isXWid(server, wid) { return String(wid).endsWith(`@${server}`); }
    static isWid(wid) { return /^[^@]+@(c\.us|g\.us|lid|newsletter|broadcast|bot)$/.test(String(wid)); }
    static isUser(wid) { return /@(c\.us|lid)$/.test(String(wid)); }
    static isGroup(wid) { return String(wid).endsWith("@g.us"); }
    static isStatusV3(wid) { return String(wid) === "status@broadcast"; }
    static isStatus(wid) { return this.isStatusV3(wid); }
    static isNewsletter(wid) { return String(wid).endsWith("@newsletter"); }
    static isBroadcast(wid) { return String(wid).endsWith("@broadcast"); }
  }
  exports.default = Wid;
});

define("WAWebWidFactory", (exports, require) => {
  const Wid = require("WAWebWid").default;
  const addServer = (user, server) =>
    String(user).includes("@") ? String(user) : `${user}@${server || "c.us"}`;

  exports.createWid = (text) => new Wid(String(text));
  exports.createUserLidOrThrow = (user) => new Wid(addServer(user, "lid"));
  exports.createUserWidOrThrow = (user, server) => new Wid(addServer(user, server));
  exports.asUserWidOrThrow = (wid) => new Wid(String(wid));
  exports.isWidlike = (value) =>
    value instanceof Wid ||
    Boolean(value && typeof value.user === "string" && typeof value.server === "string");
  exports.createWidFromWidLike = (value) => {
    if (value instanceof Wid) return value;
    return new Wid(typeof value === "string" ? value : `${value.user}@${value.server}`);
  };
});

/*
 * A key's text is kept under a mangled name, as in WhatsApp's builds; wa-js finds that name in the source
 * of toString. Only the keys of a chat with oneself have a direction (source: WAWebMsgKey, WAWebParseMsgKeyString).
 */
defineCommonJs("WAWebMsgKey", (require) => {
  const Wid = require("WAWebWid").default;
  const { createWidFromWidLike } = require("WAWebWidFactory");

  const requireWids = (wids) => {
    if (!wids.every((wid) => wid instanceof Wid)) throw new Error("MsgKey error: something is not a wid");
  };

  function parsePair({ from, to, selfDir }) {
    const { isMePrimary } = require("WAWebUserPrefsMeUser");
    requireWids([from, to]);
    const isSelf = from.equals(to);
    if (isSelf && isMePrimary(from)) return { fromMe: selfDir === "out", remote: to, self: selfDir };
    if (isMePrimary(from)) return { fromMe: true, remote: to };
    if (isMePrimary(to)) return { fromMe: false, remote: from };
    return {};
  }

  function parseRemote({ fromMe, remote }) {
    requireWids([remote]);
    const isSelf = require("WAWebUserPrefsMeUser").isMePrimary(remote);
    return { fromMe, remote, self: isSelf ? (fromMe ? "out" : "in") : undefined };
  }

  function parseValues(values) {
    const isPair = Boolean(values.from && values.to && values.id);
    const isRemote = values.fromMe !== undefined && Boolean(values.remote && values.id);
    if (isPair && isRemote) throw new Error("MsgKey error: unclear which constructor to use");
    if (!isPair && !isRemote) throw new Error("MsgKey error: don't have a matching constructor");
    return isPair ? parsePair(values) : parseRemote(values);
  }

  class MsgKey {
    constructor(values) {
      if (!values) throw new Error("MsgKey error: obj is null/undefined");
      const source = values.id instanceof MsgKey ? values.id : values;
      const { fromMe, remote, self } = parseValues(source);
      Object.assign(this, { fromMe, remote, id: source.id });
      if (self !== undefined) this.self = self;
      if (source.participant) this.participant = source.participant;
      const parts = [this.fromMe, this.remote, this.id, this.self, this.participant];
      this.$1 = parts.filter((part) => part !== undefined).join("_");
      // Builds before August 2026 had this; some clients still need it, and copy the key's own properties.
      if (SETTINGS.serialized_keys) this._serialized = this.$1;
    }

    toString() { return this.$1; }
    equals(other) { return other instanceof MsgKey && other.toString() === this.toString(); }

    clone() {
      const { fromMe, remote, id, participant } = this;
      return new MsgKey({ fromMe, remote, id, participant });
    }

    static fromString(text) {
      if (typeof text !== "string") throw new Error("MsgKey fromString error: str is null or not a string");
      return MsgKey.from(text);
    }

    static from(value) {
      if (value instanceof MsgKey) return value;
      const { fromMe, remote, id, participant } =
        typeof value === "string" ? require("WAWebParseMsgKeyString").default(value) : value;
      return new MsgKey({
        fromMe, remote: createWidFromWidLike(remote), id,
        participant: participant ? createWidFromWidLike(participant) : undefined,
      });
    }

    static newId() { return require("WAWebMsgKeyNewId").getMsgKeyNewSHA256Id(); }
  }

  return MsgKey;
});

define("WAWebParseMsgKeyString", (exports) => {
  exports.default = (text) => {
    const [fromMe, remote, id, ...rest] = text.split("_");
    const participant = rest.find((part) => part !== "out" && part !== "in");
    return { fromMe: fromMe === "true", remote, id, participant };
  };
});

define("WAWebMsgKeyNewId", (exports) => {
  exports.getMsgKeyNewSHA256Id = async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(9));
    const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return `3EB0${digits.toUpperCase()}`;
  };
});
