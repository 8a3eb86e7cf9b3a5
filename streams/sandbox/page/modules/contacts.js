/* ---------- who is on WhatsApp, and chats with them ---------- */

/* Ours: the two names of a user, as look-ups have told them. */
define("WAWebSandboxLids", (exports) => {
  exports.lids = new Map();
  exports.phones = new Map();
  exports.learn = (wid, lid) => {
    exports.lids.set(wid, lid);
    exports.phones.set(lid, wid);
  };
});

define("WAWebApiContact", (exports, require) => {
  const named = (names, wid) => {
    const text = require("WAWebSandboxLids")[names].get(String(wid));
    return text && require("WAWebWidFactory").createWid(text);
  };
  exports.getCurrentLid = (wid) => named("lids", wid);
  exports.getPhoneNumber = (lid) => named("phones", lid);
});

define("WAWebLidPnCache", (exports, require) => {
  exports.lidPnCache = {
    getCurrentLid: (wid) => require("WAWebApiContact").getCurrentLid(wid),
    getPhoneNumber: (lid) => require("WAWebApiContact").getPhoneNumber(lid),
  };
});

define("WAWebLid1X1MigrationGating", (exports) => {
  exports.Lid1X1MigrationUtils = { isLidMigrated: () => false };
});

define("WAWebQueryExistsJob", (exports, require) => {
  exports.queryWidExists = async (wid) => {
    const found = await require("WAWebSandboxWire").ask("exists", { wid: String(wid) });
    if (found.error) throw new Error(`usync error ${found.error}`);
    if (!found.wid) return null;
    if (!found.wid.endsWith("@lid")) require("WAWebSandboxLids").learn(found.wid, found.lid);
    return { wid: require("WAWebWidFactory").createWid(found.wid), biz: false };
  };
  exports.queryPhoneExists = (wid) => exports.queryWidExists(wid);
});

define("WAWebFindChatAction", (exports, require) => {
  async function create(wid) {
    const { ContactCollection } = require("WAWebContactCollection");
    if (wid.isUser() && !ContactCollection.get(wid)) {
      const found = await require("WAWebQueryExistsJob").queryWidExists(wid);
      if (!found) throw new Error(`findOrCreateLatestChat: not on WhatsApp ${wid}`);
    }
    await require("WAWebSandboxStorage").put("chat", { id: String(wid) });
    return require("WAWebChatCollection").ChatCollection.add({ id: wid });
  }

  exports.findOrCreateLatestChat = async (wid) => {
    const known = require("WAWebChatCollection").ChatCollection.get(wid);
    return { chat: known || (await create(wid)), created: !known };
  };
});
