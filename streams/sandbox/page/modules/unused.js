/* ---------- what clients look for or wrap, and what is never called here ---------- */

defineIdle("WAWebE2EProtoGenerator", ["createMsgProtobuf"]);
defineIdle("WAWebEncryptAndSendMsg", ["encryptAndSendMsg", "encryptAndSendStatusMsg"]);
defineIdle("WAWebDBGroupAction", ["updateDBForGroupAction"]);
defineIdle("WAWebLinkPreviewChatAction", ["genMinimalLinkPreview", "getLinkPreview"]);
defineIdle("WAWebE2EProtoUtils", ["encodeMaybeMediaType", "typeAttributeFromProtobuf"]);
defineIdle("WAWebBackendJobsCommon", ["mediaTypeFromProtobuf"]);
defineIdle("WAWebSendMsgCreateFanoutStanza", ["createFanoutMsgStanza"]);
defineIdle("WAWebMediaVideoUtils", ["generateVideoThumbsAndDuration"]);
defineIdle("WAWebProcessRawSticker", ["processRawSticker"]);
defineIdle("WAWebUploadMedia", ["uploadMedia"]);
defineIdle("WAWebChatPinBridge", ["getNumChatsPinned"]);
defineIdle("WAWebLabelCollectionUtils", ["addToLabelCollection", "removeLabelFromCollection"]);
defineIdle("WAWebPollsVotes", ["upsertVotesDb"]);
defineIdle("WAWebReactionsUtils", ["addOrUpdateReactionsModelCollection"]);
defineIdle("WAWebHandleSingleMsg", ["handleSingleMsg"]);
defineIdle("WAWebMiscGatingUtils", ["primaryFeatureEnabled"]);
defineIdle("WAWebCreateChatRecord", ["createChatRecord"]);
defineIdle("WAWebInboxFiltersUtils", ["isFilterExcludedFromSearchTreatmentInInboxFlow"]);
defineIdle("WAWebABProps", ["getABPropConfigValue"], 0);

define("WALinkify", (exports) => {
  exports.findLinks = (text) =>
    (String(text || "").match(/https?:\/\/\S+/g) || []).map((href) => ({ href, url: href }));
  exports.findLink = (text) => exports.findLinks(text)[0];
  exports.findFirstWebLink = () => undefined;
});

/* What whatsapp-web.js asks for besides. */

define("WAWebOfflineHandler", (exports) => {
  exports.OfflineMessageHandler = { getOfflineDeliveryProgress: () => 100 };
});
define("WAWebCompanionRegClientUtils", (exports) => { exports.DEVICE_PLATFORM = "1"; });
defineIdle("WAWebAdvSignatureApi", ["generateADVSecretKey"], "");
defineIdle("WAWebSyncGatingUtils", ["isPlaceholderMessageResendEnabled"], false);
define("WAWebLaunchSocketUtils", (exports, require) => {
  exports.refreshQR = () => require("WAWebCmd").Cmd.refreshQR();
});
define("WAWebMiscBrowserUtils", (exports) => {
  exports.info = () => ({ os: "Linux", name: "Chrome" });
});
define("WAWebAddonReactionTableMode", (exports) => {
  exports.reactionTableMode = { bulkUpsert() {} };
});
define("WAWebAddonPollVoteTableMode", (exports) => {
  exports.pollVoteTableMode = { bulkUpsert() {} };
});
define("WAWebChatSearchQuery", (exports) => {
  exports.SearchQuery = class SearchQuery {
    updateLabelQuery(filter) { this.filter = filter; }
  };
});
