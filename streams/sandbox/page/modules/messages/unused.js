/*
 * Functions that clients look up or wrap, and that have no effect here. A function that matters to a
 * send may not be in this file.
 */

defineStubs("WAWebE2EProtoGenerator", ["createMsgProtobuf"]);
defineStubs("WAWebEncryptAndSendMsg", ["encryptAndSendMsg", "encryptAndSendStatusMsg"]);
defineStubs("WAWebDBGroupAction", ["updateDBForGroupAction"]);
defineStubs("WAWebLinkPreviewChatAction", ["genMinimalLinkPreview", "getLinkPreview"]);
defineStubs("WAWebE2EProtoUtils", ["encodeMaybeMediaType", "typeAttributeFromProtobuf"]);
defineStubs("WAWebBackendJobsCommon", ["mediaTypeFromProtobuf"]);
defineStubs("WAWebSendMsgCreateFanoutStanza", ["createFanoutMsgStanza"]);
defineStubs("WAWebMediaVideoUtils", ["generateVideoThumbsAndDuration"]);
defineStubs("WAWebProcessRawSticker", ["processRawSticker"]);
defineStubs("WAWebUploadMedia", ["uploadMedia"]);
defineStubs("WAWebChatPinBridge", ["getNumChatsPinned"]);
defineStubs("WAWebLabelCollectionUtils", ["addToLabelCollection", "removeLabelFromCollection"]);
defineStubs("WAWebPollsVotes", ["upsertVotesDb"]);
defineStubs("WAWebReactionsUtils", ["addOrUpdateReactionsModelCollection"]);
defineStubs("WAWebHandleSingleMsg", ["handleSingleMsg"]);
defineStubs("WAWebMiscGatingUtils", ["primaryFeatureEnabled"]);
defineStubs("WAWebCreateChatRecord", ["createChatRecord"]);
defineStubs("WAWebInboxFiltersUtils", ["isFilterExcludedFromSearchTreatmentInInboxFlow"]);

define("WALinkify", (exports) => {
  exports.findLinks = (text) =>
    (String(text || "").match(/https?:\/\/\S+/g) || []).map((href) => ({ href, url: href }));
  exports.findLink = (text) => exports.findLinks(text)[0];
  exports.findFirstWebLink = () => undefined;
});

/* What whatsapp-web.js looks up besides. */

defineStubs("WAWebSyncGatingUtils", ["isPlaceholderMessageResendEnabled"], false);
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
