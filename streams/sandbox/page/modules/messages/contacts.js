/*
 * Contacts: which numbers are on WhatsApp, and the chats with them. Nothing here may send a message.
 */

/* The two ids of a user (phone number and LID), as look-ups have returned them. */
define("WAWebSandboxLids", (exports) => {
  exports.lids = new Map();
  exports.phones = new Map();
  exports.remember = (wid, lid) => {
    exports.lids.set(wid, lid);
    exports.phones.set(lid, wid);
  };
});

define("WAWebApiContact", (exports, require) => {
  const findWid = (mapName, wid) => {
    const text = require("WAWebSandboxLids")[mapName].get(String(wid));
    return text && require("WAWebWidFactory").createWid(text);
  };
  exports.getCurrentLid = (wid) => findWid("lids", wid);
  exports.getPhoneNumber = (lid) => findWid("phones", lid);
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
    const answer = await require("WAWebSandboxWire").request("exists", { wid: String(wid) });
    if (answer.error) throw new Error(`usync error ${answer.error}`);
    if (!answer.wid) return null;
    if (!answer.wid.endsWith("@lid")) require("WAWebSandboxLids").remember(answer.wid, answer.lid);
    return { wid: require("WAWebWidFactory").createWid(answer.wid), biz: false };
  };
  exports.queryPhoneExists = (wid) => exports.queryWidExists(wid);
});

define("WAWebFindChatAction", (exports, require) => {
  async function createChat(wid) {
    const { ContactCollection } = require("WAWebContactCollection");
    if (wid.isUser() && !ContactCollection.get(wid)) {
      const answer = await require("WAWebQueryExistsJob").queryWidExists(wid);
      if (!answer) throw new Error(`findOrCreateLatestChat: not on WhatsApp ${wid}`);
    }
    await require("WAWebSandboxStorage").put("chat", { id: String(wid) });
    return require("WAWebChatCollection").ChatCollection.add({ id: wid });
  }

  exports.findOrCreateLatestChat = async (wid) => {
    const existing = require("WAWebChatCollection").ChatCollection.get(wid);
    return { chat: existing || (await createChat(wid)), created: !existing };
  };
});
