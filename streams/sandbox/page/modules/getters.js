/* ---------- getters that wa-js turns into properties of models ---------- */

define("WAWebChatGetters", (exports) => {
  exports.getShouldAppearInList = () => true;
  exports.getPreviewMessage = (chat) => chat.msgs.last();
  exports.getShowChangeNumberNotification = () => false;
  exports.getShouldShowUnreadDivider = () => false;
  exports.getHasUnread = (chat) => chat.unreadCount > 0;
  exports.getIsNewsletter = (chat) => chat.id.isNewsletter();
  exports.getIsBroadcast = (chat) => chat.id.isBroadcast();
});

defineIdle("WAWebContactGetters", [
  "getNotifyName", "getPremiumMessageName", "getUserid", "getIsMe", "getIsUser", "getIsGroup",
  "getIsBroadcast", "getIsNewsletter", "getIsPSA", "getIsIAS", "getIsSupportAccount",
  "getIsWAContact", "getCanRequestPhoneNumber", "getShowBusinessCheckmarkAsPrimary",
  "getShowBusinessCheckmarkAsSecondary", "getShowBusinessCheckmarkInChatlist",
  "getIsDisplayNameApproved", "getShouldForceBusinessUpdate", "getUserhash",
]);

define("WAWebFrontendContactGetters", (exports) => {
  for (const name of [
    "getDisplayName", "getPnForLid", "getPhoneNumber", "getTextStatusString",
    "getUserDisplayNameForLid", "getFormattedPhone", "getFormattedUsernameOrPhone",
    "getFormattedShortNameWithNonBreakingSpaces", "getFormattedShortName", "getFormattedName",
    "getFormattedUser", "getSearchName", "getIsMyContact", "getMentionName", "getSearchVerifiedName",
    "getHeader",
  ]) {
    exports[name] = (contact) => (contact && contact.id ? contact.id.user : undefined);
  }
});

define("WAWebMsgGetters", (exports) => {
  exports.getIsUnreadType = () => true;
  exports.getAsMms = () => undefined;
});

define("WAWebQuotedMsgModelUtils", (exports, require) => {
  exports.getQuotedMsgObj = (message) => {
    if (!message.quotedStanzaID) return undefined;
    const MsgKey = require("WAWebMsgKey");
    const id = new MsgKey({ fromMe: true, remote: message.id.remote, id: message.quotedStanzaID });
    return { id, type: "chat", body: message.quotedMsg && message.quotedMsg.body };
  };
});
