/*
 * Functions that clients look up or wrap, and that have no effect here, under their real names. A function
 * that matters to a send may not be in this file.
 */

defineStubs("WAWebGetEphemeralFieldsMsgActionsUtils", ["getEphemeralFields"], {});
defineStubs("WAWebSendTextMsgChatAction", ["sendTextMsgToChat"]);
defineStubs("WAWebMarkPlayedMsgAction", ["markPlayed", "canMarkPlayed"]);
defineStubs("WAWebE2EProtoGenerator", ["createMsgProtobuf"]);
defineStubs("WAWebEncryptAndSendStatusMsg", ["encryptAndSendStatusMsg"]);
defineStubs("WAWebUpdateDbForGroupActionApi", ["updateDBForGroupAction"]);
defineStubs("WAWebLinkPreviewChatAction", ["getLinkPreview"]);
defineStubs("WAWebGenMinimalLinkPreviewChatAction", ["genMinimalLinkPreview"]);
defineStubs("WAWebE2EProtoUtils", ["typeAttributeFromProtobuf"]);
defineStubs("WAWebBackendJobsCommon", ["mediaTypeFromProtobuf", "encodeMaybeMediaType"]);
defineStubs("WAWebSendMsgCreateFanoutStanza", ["createFanoutMsgStanza"]);
defineStubs("WAWebImageUtils", ["generateVideoThumbsAndDuration"]);
defineStubs("WAWebBizLabelUtils", ["addToLabelCollection", "removeLabelFromCollection"]);
defineStubs("WAWebDBPollsUpsertVotes", ["upsertVotesDb"]);
defineStubs("WAWebReactionsMsgAction", ["addOrUpdateReactionsModelCollection"]);
defineStubs("WAWebHandleSingleMsgWorkerCompatible", ["handleSingleMsg"]);
defineStubs("WAWebPrimaryFeatures", ["primaryFeatureEnabled"]);
defineStubs("WAWebApiChat", ["createChatRecord"]);
defineStubs("WAWebChatSearchFilters", ["isFilterExcludedFromSearchTreatmentInInboxFlow"]);
defineStubs("WAWebContactStatusBridge", ["getStatus", "setMyStatus", "queryStatusAll"]);

define("WALinkify", (exports) => {
  exports.findLinks = (text) =>
    (String(text || "").match(/https?:\/\/\S+/g) || []).map((href) => ({ href, url: href }));
  exports.findLink = (text) => exports.findLinks(text)[0];
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
