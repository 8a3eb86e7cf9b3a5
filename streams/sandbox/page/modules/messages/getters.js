/*
 * Getters of models: what follows from a model's state. wa-js turns some of them into properties of models.
 * Nothing here may have an effect.
 */

define("WAWebMsgGetters", (exports, require) => {
  const { ACK } = require("WAWebAck");
  const getMe = () => require("WAWebUserPrefsMeUser");

  exports.getAck = (message) => message.ack;
  exports.getIsSentByMe = (message) => message.id.fromMe;
  exports.getIsSendFailure = (message) => Boolean(message.isSendFailure);
  // A failure of this page counts beside any ack (source: WAWebMsgGetters).
  exports.getIsFailed = (message) =>
    (message.id.fromMe && message.ack < ACK.CLOCK) || Boolean(message.isSendFailure);
  exports.getIsSentByMeFromWeb = (message) => message.id.fromMe && Boolean(message.local);
  exports.getSender = (message) =>
    message.id.fromMe ? getMe().getMeUserMatchingAddressingModeOrThrow(message.id.remote) : message.from;
  exports.getIsReaction = ({ type }) => type === "reaction";
  exports.getIsUnreadType = () => true;
});

define("WAWebFrontendMsgGetters", (exports, require) => {
  exports.getMaybeChat = (message) =>
    require("WAWebChatCollection").ChatCollection.get(message.id.remote);
  exports.getChat = (message) =>
    require("WAWebChatCollection").ChatCollection.assertGet(message.id.remote);
  exports.getSenderObj = (message) => message.senderObj;
  exports.getAsMms = (message) =>
    (require("WAWebMsgModelUtils").typeIsMms(message) ? message : undefined);
});

/* The quoted message is a model of its own, from memory or from what the quote says (source: WAWebQuotedMsgModelUtils). */
define("WAWebQuotedMsgModelUtils", (exports, require) => {
  function createQuotedMsg(id, { from, to, quotedMsg, quotedParticipant }) {
    const { Msg } = require("WAWebMsgModel");
    const sides = id.fromMe ? { from: to, to: from } : { from, to };
    return new Msg({ ...quotedMsg, id, ...sides, author: quotedParticipant });
  }

  exports.getQuotedMsgObj = (message) => {
    const { quotedStanzaID, quotedParticipant, quotedMsg } = message;
    if (!quotedStanzaID || !quotedMsg) return null;
    const MsgKey = require("WAWebMsgKey");
    const { MsgCollection } = require("WAWebMsgCollection");
    const fromMe = require("WAWebUserPrefsMeUser").isMeAccount(quotedParticipant);
    const id = new MsgKey({ fromMe, remote: message.id.remote, id: quotedStanzaID });
    if (!MsgCollection.get(id)) MsgCollection.add(createQuotedMsg(id, message));
    return MsgCollection.get(id);
  };
});

define("WAWebChatGetters", (exports) => {
  exports.getHasUnread = (chat) => chat.unreadCount > 0;
  exports.getIsGroup = (chat) => chat.id.isGroup();
  exports.getIsNewsletter = (chat) => chat.id.isNewsletter();
  exports.getIsBroadcast = (chat) => chat.id.isBroadcast();
});

define("WAWebFrontendChatGetters", (exports) => {
  exports.getShouldAppearInList = () => true;
  exports.getPreviewMessage = (chat) => chat.msgs.last();
  exports.getShowChangeNumberNotification = () => false;
  exports.getShouldShowUnreadDivider = () => false;
});

define("WAWebContactGetters", (exports, require) => {
  const getNothing = () => undefined;
  for (const name of [
    "getNotifyName", "getPremiumMessageName", "getUserid", "getCanRequestPhoneNumber",
    "getShowBusinessCheckmarkAsPrimary", "getShowBusinessCheckmarkAsSecondary",
    "getShowBusinessCheckmarkInChatlist", "getIsDisplayNameApproved", "getShouldForceBusinessUpdate",
    "getUserhash",
  ]) exports[name] = getNothing;
  for (const name of ["name", "shortName", "pushname", "verifiedName", "verifiedLevel", "statusMute"]) {
    exports[`get${name[0].toUpperCase()}${name.slice(1)}`] = (contact) => contact.get(name);
  }
  exports.getIsMe = ({ id }) => require("WAWebUserPrefsMeUser").isMeAccount(id);
  exports.getIsUser = ({ id }) => id.isUser();
  exports.getIsGroup = ({ id }) => id.isGroup();
  exports.getIsBroadcast = ({ id }) => id.isBroadcast();
  exports.getIsNewsletter = ({ id }) => id.isNewsletter();
  exports.getIsPSA = ({ id }) => id.isPSA();
  exports.getIsBot = ({ id }) => id.isBot();
  exports.getIsEnterprise = ({ isEnterprise }) => Boolean(isEnterprise);
  exports.getIsIAS = () => false;
  exports.getIsSupportAccount = () => false;
  exports.getIsWAContact = () => true;
});

define("WAWebFrontendContactGetters", (exports, require) => {
  for (const name of [
    "getDisplayName", "getPhoneNumber", "getTextStatusString",
    "getUserDisplayNameForLid", "getFormattedPhone", "getFormattedUsernameOrPhone",
    "getFormattedShortNameWithNonBreakingSpaces", "getFormattedShortName", "getFormattedName",
    "getFormattedUser", "getSearchName", "getIsMyContact", "getMentionName", "getSearchVerifiedName",
    "getHeader",
  ]) {
    exports[name] = (contact) => (contact && contact.id ? contact.id.user : undefined);
  }
  exports.getPnForLid = ({ id }) => require("WAWebLidMigrationUtils").toPn(id);
});
