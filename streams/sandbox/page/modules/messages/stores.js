/*
 * Stores that a client listens to from the start and that stay empty here, and the getters that wa-js turns
 * into properties of models. Nothing here may have an effect.
 */

function createEmptyCollection(require, proxyName, Collection) {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  Collection.model = defineModel(class Empty extends BaseModel {}, proxyName, { id: undefined });
  return new Collection();
}

// Only the instance is exported: if <Name>Impl is there too, wa-js takes that one for the store.
for (const name of [
  "Blocklist", "Presence", "BusinessProfile", "BotProfile", "Order", "Label", "Mute",
  "ProfilePicThumb", "Reactions", "Cart", "Catalog",
]) {
  define(`WAWeb${name}Collection`, (exports, require) => {
    class Collection extends require("WAWebBaseCollection").BaseCollection {}
    exports[`${name}Collection`] = createEmptyCollection(require, name.toLowerCase(), Collection);
  });
}

define("WAWebStatusCollection", (exports, require) => {
  class StatusCollection extends require("WAWebBaseCollection").BaseCollection {}
  exports.StatusV3Collection = createEmptyCollection(require, "statusV3", StatusCollection);
  exports.StatusV3CollectionImpl = StatusCollection;
});

define("WAWebGroupMetadataCollection", (exports, require) => {
  class GroupMetadataCollection extends require("WAWebBaseCollection").BaseCollection {
    _handleParentGroupChange() {}
  }
  exports.default = createEmptyCollection(require, "group-metadata", GroupMetadataCollection);
});

define("WAWebCallCollection", (exports, require) => {
  class CallCollection extends require("WAWebBaseCollection").BaseCollection {
    processIncomingCall() {}
  }
  exports.default = createEmptyCollection(require, "call", CallCollection);
  exports.CallCollectionImpl = CallCollection;
});

define("WAWebNewsletterCollection", (exports, require) => {
  class NewsletterCollection extends require("WAWebBaseCollection").BaseCollection {}
  NewsletterCollection.model = require("WAWebChatModel").Chat;
  exports.default = new NewsletterCollection();
});

/* ---------- getters of models ---------- */

define("WAWebChatGetters", (exports) => {
  exports.getShouldAppearInList = () => true;
  exports.getPreviewMessage = (chat) => chat.msgs.last();
  exports.getShowChangeNumberNotification = () => false;
  exports.getShouldShowUnreadDivider = () => false;
  exports.getHasUnread = (chat) => chat.unreadCount > 0;
  exports.getIsNewsletter = (chat) => chat.id.isNewsletter();
  exports.getIsBroadcast = (chat) => chat.id.isBroadcast();
});

defineStubs("WAWebContactGetters", [
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
