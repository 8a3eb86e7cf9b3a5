/*
 * Identifiers: ids of users and chats (Wid), and keys of messages (MsgKey). Pure.
 */

define("WAWebWid", (exports) => {
  exports.default = class Wid {
    constructor(text) {
      const parts = /^([^@]*)@(.+)$/.exec(text);
      if (!parts) throw new Error(`wid error: invalid wid ${text}`);
      this.user = parts[1].split(":")[0];
      this.server = parts[2] === "s.whatsapp.net" ? "c.us" : parts[2];
      this._serialized = `${this.user}@${this.server}`;
    }

    toString() { return this._serialized; }
    toJSON() { return this._serialized; }
    toJid() { return this._serialized.replace("@c.us", "@s.whatsapp.net"); }
    equals(other) { return Boolean(other) && this._serialized === other.toString(); }

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

    static isXWid(server, wid) { return String(wid).endsWith(`@${server}`); }
    static isWid(wid) { return /^[^@]+@(c\.us|g\.us|lid|newsletter|broadcast|bot)$/.test(String(wid)); }
    static isUser(wid) { return /@(c\.us|lid)$/.test(String(wid)); }
    static isGroup(wid) { return String(wid).endsWith("@g.us"); }
    static isStatusV3(wid) { return String(wid) === "status@broadcast"; }
    static isStatus(wid) { return this.isStatusV3(wid); }
  };
});

define("WAWebWidFactory", (exports, require) => {
  const Wid = require("WAWebWid").default;
  const addServer = (user, server) =>
    String(user).includes("@") ? String(user) : `${user}@${server || "c.us"}`;

  exports.createWid = (text) => new Wid(String(text));
  exports.createUserWidOrThrow = (user, server) => new Wid(addServer(user, server));
  exports.createUserWid = exports.createUserWidOrThrow;
  exports.asUserWidOrThrow = (wid) => new Wid(String(wid));
  exports.isWidlike = (value) =>
    value instanceof Wid ||
    Boolean(value && typeof value.user === "string" && typeof value.server === "string");
  exports.createWidFromWidLike = (value) =>
    value instanceof Wid ? value : new Wid(`${value.user}@${value.server}`);
});

/*
 * A key's text is kept under a mangled name, as in WhatsApp's builds; wa-js finds that name in the source
 * of toString. The keys of our own messages end in `_out` here; in WhatsApp's build of August 2026 only
 * those of messages to oneself do.
 */
defineCommonJs("WAWebMsgKey", (require) => {
  const { createWid } = require("WAWebWidFactory");

  return class MsgKey {
    constructor(values) {
      if (!values) throw new Error("MsgKey error: obj is null/undefined");
      const { from, to, id, participant, selfDir, self } = values;
      const isPair = Boolean(from && to);
      this.fromMe = isPair ? selfDir === "out" : Boolean(values.fromMe);
      const remote = isPair ? (this.fromMe ? to : from) : values.remote;
      if (!remote) throw new Error("MsgKey error: no remote");
      if (!id) throw new Error("MsgKey error: no id");
      this.remote = typeof remote === "string" ? createWid(remote) : remote;
      this.id = id;
      if (participant) this.participant = participant;
      if (selfDir === "out" || self === "out") this.self = "out";
      const parts = [this.fromMe, this.remote, this.id, this.participant, this.self];
      this.$1 = parts.filter((part) => part !== undefined).join("_");
    }

    toString() { return this.$1; }
    equals(other) { return Boolean(other) && String(other) === this.toString(); }
    clone() { return new MsgKey(this); }

    static fromString(text) {
      const [fromMe, remote, id, ...rest] = String(text).split("_");
      if (!id || !/^(true|false)$/.test(fromMe)) {
        throw new Error(`MsgKey error: invalid key ${text}`);
      }
      const self = rest[rest.length - 1] === "out" ? rest.pop() : undefined;
      const participant = rest[0] && createWid(rest[0]);
      return new MsgKey({ fromMe: fromMe === "true", remote: createWid(remote), id, participant, self });
    }

    static async newId() {
      const bytes = crypto.getRandomValues(new Uint8Array(9));
      const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      return `3EB0${digits.toUpperCase()}`;
    }
  };
});
