/*
 * People: their two ids (phone number and LID), which numbers are on WhatsApp, and the chats with them.
 * Nothing here may send a message.
 */

define("WAWebLidPnCache", (exports) => {
  exports.LidPnCache = class LidPnCache {
    constructor() {
      this._phoneNumbers = new Map();
      this._lids = new Map();
    }

    add(lid, { phoneNumber }) {
      this._phoneNumbers.set(String(lid), phoneNumber);
      this._lids.set(String(phoneNumber), lid);
    }

    getPhoneNumber(lid) { return this._phoneNumbers.get(String(lid)); }
    getCurrentLid(wid) { return wid.isLid() ? wid : this._lids.get(String(wid)); }
    clear() { this._phoneNumbers.clear(); this._lids.clear(); }
  };
});

define("WAWebApiContact", (exports, require) => {
  const cache = new (require("WAWebLidPnCache").LidPnCache)();
  const getMe = () => require("WAWebUserPrefsMeUser");

  exports.lidPnCache = cache;
  exports.getCurrentLid = (wid) => {
    const pn = getMe().getMaybeMePnUser();
    return pn && pn.equals(wid) ? getMe().getMaybeMeLidUser() : cache.getCurrentLid(wid);
  };
  exports.getPhoneNumber = (lid) => {
    const myLid = getMe().getMaybeMeLidUser();
    return myLid && myLid.equals(lid) ? getMe().getMaybeMePnUser() : cache.getPhoneNumber(lid);
  };
  exports.getAlternateUserWid = (wid) =>
    (wid.isLid() ? exports.getPhoneNumber(wid) : exports.getCurrentLid(wid)) ?? null;

  exports.warmUpAllLidPnMappings = async () => {
    const { createWid } = require("WAWebWidFactory");
    for (const { id, phoneNumber } of await require("WAWebSandboxStorage").getAll("lid-pn-mapping")) {
      cache.add(createWid(id), { phoneNumber: createWid(phoneNumber) });
    }
  };
});

define("WAWebDBCreateLidPnMappings", (exports, require) => {
  exports.createLidPnMappings = async ({ mappings }) => {
    for (const { lid, pn } of mappings) {
      require("WAWebApiContact").lidPnCache.add(lid, { phoneNumber: pn });
      const row = { id: String(lid), phoneNumber: String(pn) };
      await require("WAWebSandboxStorage").put("lid-pn-mapping", row);
    }
  };
});

define("WAWebLid1X1MigrationGating", (exports) => {
  exports.Lid1X1MigrationUtils = { isLidMigrated: () => SETTINGS.lid_chats };
});

define("WAWebLidMigrationUtils", (exports, require) => {
  exports.toPn = (wid) => (wid.isLid() ? require("WAWebApiContact").getPhoneNumber(wid) : wid);
  exports.toLid = (wid) => (wid.isLid() ? wid : require("WAWebApiContact").getCurrentLid(wid));
  exports.toUserLid = exports.toLid;
  exports.toUserLidOrThrow = (wid) => {
    const lid = exports.toLid(wid);
    if (!lid) throw new Error("No LID for user");
    return lid;
  };
});

define("WAWebUsync", (exports, require) => {
  // An error may be the answer as a whole, or that for one number (source: WAWebUsyncContact).
  exports.USyncQuery = class {
    withUser(wid) {
      this.wid = wid;
      return this;
    }

    async execute() {
      const answer = await require("WAWebSandboxWire").request("exists", { wid: String(this.wid) });
      const error = answer.error ? { all: { errorCode: answer.error } } : {};
      const errorCode = answer.number_error;
      const contact = errorCode ? { errorCode } : { type: answer.lid ? "in" : "out" };
      return { error, list: [{ ...answer, contact }] };
    }
  };
});

define("WAWebQueryExistsJob", (exports, require) => {
  // The LID is the answer's `wid`. An error of the whole answer is thrown, and one for the number taken for
  // "no" (source: WAWebQueryExistsJob).
  exports.queryWidExists = async (wid) => {
    const query = new (require("WAWebUsync").USyncQuery)().withUser(wid);
    const { error, list: [answer] } = await query.execute();
    if (error.all) {
      const { ServerStatusCodeError } = require("WAWebBackendErrors");
      throw new ServerStatusCodeError(error.all.errorCode, `usync error ${error.all.errorCode}`);
    }
    if (answer.contact.type !== "in") return null;
    const { createWid } = require("WAWebWidFactory");
    const [lid, pn] = [createWid(answer.lid), createWid(answer.pn)];
    await require("WAWebDBCreateLidPnMappings").createLidPnMappings({ mappings: [{ lid, pn }] });
    return { wid: createWid(answer.wid), biz: false, bizInfo: undefined };
  };

  exports.queryPhoneExists = (phone) => {
    const digits = String(phone).replace(/\D/g, "");
    return exports.queryWidExists(require("WAWebWidFactory").createWid(`${digits}@c.us`));
  };
});

define("WAWebSyncContactJob", (exports, require) => {
  exports.syncContactListJob = async (wids) => {
    for (const wid of wids) await require("WAWebQueryExistsJob").queryWidExists(wid);
  };
});

define("WAWebFindChatAction", (exports, require) => {
  const getChats = () => require("WAWebChatCollection").ChatCollection;

  // A chat that is not in memory may be in the database (source: WAWebChatGetExistingBridge).
  async function getExisting(wid) {
    const chat = getChats().get(wid);
    if (chat) return chat;
    const row = await require("WAWebSandboxStorage").get("chat", String(wid));
    return row ? getChats().add({ ...row, id: wid }) : null;
  }

  // One person has one chat: that of the LID. Without a known LID the server is asked for it.
  async function selectWid(wid) {
    const { toUserLid, toUserLidOrThrow } = require("WAWebLidMigrationUtils");
    const { isLidMigrated } = require("WAWebLid1X1MigrationGating").Lid1X1MigrationUtils;
    if (!wid.isRegularUser()) return wid;
    if (!isLidMigrated()) return (await getExisting(wid)) ? wid : selectPhoneNumber(wid);
    if (!toUserLid(wid)) await require("WAWebSyncContactJob").syncContactListJob([wid]);
    return toUserLidOrThrow(wid);
  }

  async function selectPhoneNumber(wid) {
    const answer = await require("WAWebQueryExistsJob").queryWidExists(wid);
    if (!answer) throw new Error(`findOrCreateLatestChat: not on WhatsApp ${wid}`);
    return wid;
  }

  exports.findOrCreateLatestChat = async (wid) => {
    const selected = await selectWid(wid);
    const existing = await getExisting(selected);
    if (existing) return { chat: existing, created: false };
    await require("WAWebSandboxStorage").put("chat", { id: String(selected), t: 0 });
    return { chat: getChats().add({ id: selected, createdLocally: true }), created: true };
  };

  exports.findExistingChat = async (wid, origin) => {
    const existing = await getExisting(wid);
    return existing || (await exports.findOrCreateLatestChat(wid, origin)).chat;
  };
});
