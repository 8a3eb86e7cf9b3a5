/*
 * The symbols: everything that the adapter, and what it calls of wa-js, needs of WhatsApp's page. The one
 * list of them. A symbol may only be looked for here, never called.
 *
 * They are listed by group, under their real names (source: the modules themselves, build 1044822804), as
 * `module.export` or `module.export.member`. The value is where wa-js keeps what it found: wa-js searches
 * by what a module exports and not by its name, so a renamed module is no loss. Without a value, the
 * adapter takes the symbol from the module of this name.
 */
(WPP) => {
  "use strict";

  const RECHECK_MS = 5 * 60 * 1000;
  // A page that is still loading after this time lacks something; after the longer one, also a module that
  // it does not have yet is missing.
  const MAX_LOADING_MS = 30 * 1000;
  const MAX_LATE_MODULE_MS = 120 * 1000;

  const SYMBOLS = {
    sending: {
      "WAWebSendMsgChatAction.addAndSendMsgToChat": "functions.addAndSendMsgToChat",
      "WAWebSendMsgRecordAction.sendMsgRecord": null,
      "WAWebFindChatAction.findOrCreateLatestChat": "functions.findOrCreateLatestChat",
      "WAWebGetEphemeralFieldsMsgActionsUtils.getEphemeralFields": "functions.getEphemeralFields",
      "WATimeUtils.unixTime": "functions.unixTime",
      "WAWebAck.ACK": "enums.ACK",
      "WAWebMsgKey.default": "MsgKey",
      "WAWebWidFactory.createWid": "WidFactory.createWid",
      "WAWebUserPrefsMeUser.getMaybeMePnUser": "UserPrefs.getMaybeMePnUser",
      "WAWebUserPrefsMeUser.getMeLidUserOrThrow": "UserPrefs.getMeLidUserOrThrow",
      "WAWebChatCollection.ChatCollection": "ChatStore",
      "WAWebMsgCollection.MsgCollection": "MsgStore",
      "WAWebMsgReply.canReplyMsg": "functions.canReplyMsg",
      "WAWebSendReactionMsgAction.sendReactionToMsg": "functions.sendReactionToMsg",
      "WAWebSendAddonMsgChatAction.addAndSendAddonToChat": null,
      "WAWebSendMessageEditAction.addAndSendMessageEdit": "functions.addAndSendMessageEdit",
      "WAWebRevokeMsgAction.sendRevoke": null,
      "WAWebMsgActionCapability.canEditText": null,
      "WAWebMsgActionCapability.canEditCaption": null,
      "WAWebMsgActionCapability.canSenderRevokeMsg": null,
      "WAWebMediaOpaqueData.default": "OpaqueData",
      "WAWebMedia.prepRawMedia": "MediaPrep.prepRawMedia",
    },
    receipts: {
      "WAWebHandleDirectChatReceipt.handleChatSimpleReceipt": "functions.handleChatSimpleReceipt",
    },
    session: {
      "WAWebUserPrefsIsLoggedIn.isLoggedIn": "functions.isAuthenticated",
      "WAWebUserPrefsMultiDevice.isRegistered": "functions.isRegistered",
      "WAWebUserPrefsMeUser.getMaybeMeDevicePn": "UserPrefs.getMaybeMeDevicePn",
      "WAWebSocketModel.Socket.state": "Socket",
      "WAWebSocketModel.Socket.stream": "Socket",
      "WAWebSocketModel.Socket.reconnect": "Socket",
      "WAWebStreamModel.Stream.mode": "Stream",
      "WAWebConnModel.Conn": "Conn",
      "WAWebCmd.Cmd.isOfflineDeliveryEnd": "Cmd",
      "WAWebOfflineHandler.OfflineMessageHandler.getOfflineDeliveryProgress": null,
      "WAWebOfflineHandler.OfflineMessageHandler.hasReceivedOfflinePreviewIb": null,
      "WAComms.isCommsInitialized": null,
      "WAWebUserPrefsTabMutex.currentTabHasMutex": null,
    },
    linking: {
      "WAWebLaunchSocketUtils.refreshQR": null,
      "WAWebAltDeviceLinkingApi.initializeAltDeviceLinking": "functions.initializeAltDeviceLinking",
      "WAWebLinkDeviceAction.genLinkDeviceCodeForPhoneNumber":
        "functions.genLinkDeviceCodeForPhoneNumber",
      "WAWebSignalStoreApi.waSignalStore": "multidevice.waSignalStore",
      "WAWebUserPrefsInfoStore.waNoiseInfo": "multidevice.waNoiseInfo",
      "WAWebAdvSignatureApi.getADVSecretKey": "multidevice.adv.getADVSecretKey",
      "WAWebSocketModel.Socket.logout": "Socket",
      "WAWebSocketModel.Socket.clearCredentialsAndStoredData": "Socket",
      "WAWebLogoutReason.getPrevLogoutReasonCode": null,
    },
    restrictions: {
      "WAWebReachoutTimelockUtils.isUserReachoutTimelocked": null,
      "WAWebReachoutTimelockUtils.canSendMsgWhileTimelocked": null,
      "WAWebIndividualNewChatMessageCappingLimitUtils.getCappingData": null,
      "WAWebIndividualNewChatMessageCappingLimitUtils.canSendMsgWhileCapped": null,
      "WAWebIndividualNewChatMessageCappingLimitUtils.isUserCapped": null,
      "WAWebUserPrefsIndexedDBStorage.userPrefsIdb": null,
      "WAWebUpdater.Updater.update": null,
    },
    look_ups: {
      "WAWebQueryExistsJob.queryWidExists": "functions.queryWidExists",
      "WAWebUsync.USyncQuery": null,
      "WAWebApiContact.lidPnCache": "lidPnCache",
      "WAWebMsgCollection.MsgCollection.getMessagesById": "MsgStore",
      "WAWebSchemaReactions.getReactionsTable": null,
      "WAWebGroupMetadataCollection.default": "GroupMetadataStore",
    },
    incoming: {
      "WAWebSchemaMessage.getMessageTable": null,
      "WAWebDBMessageSerialization.messageFromDbRow": null,
      "WAWebReactionsMsgAction.addOrUpdateReactionsModelCollection": null,
    },
    typing: {
      "WAWebPresenceChatAction.markComposing": "ChatPresence.markComposing",
      "WAWebPresenceChatAction.markPaused": "ChatPresence.markPaused",
    },
    forgetting: {
      "WAWebDeleteChatAction.sendDelete": "functions.sendDelete",
    },
    resend: {
      "WAWebResendMsgAction.resendMsg": null,
      "WAWebDBProcessMessage.DuplicateMessageError": null,
    },
  };

  /* ---------- one symbol ---------- */

  const registeredModules = () => {
    const debug = window.require && window.ErrorGuard ? window.require("__debug") : null;
    return (debug && debug.modulesMap) || {};
  };

  const readPath = (object, path) => path.reduce((value, name) => (value ? value[name] : null), object);

  // A default export has the name of its module, without the prefix of all modules.
  function buildSymbol(group, address, inWaJs) {
    const [module, ...path] = address.split(".");
    const name = path[0] === "default" ? module.replace(/^WAWeb/, "") : path.join(".");
    return { group, name, module, path, inWaJs };
  }

  const symbols = Object.entries(SYMBOLS).flatMap(([group, addresses]) =>
    Object.entries(addresses).map(([address, inWaJs]) => buildSymbol(group, address, inWaJs)));

  function readExport({ module, path, inWaJs }) {
    if (inWaJs) return readPath(WPP.whatsapp, inWaJs.split("."));
    if (!(module in registeredModules())) return null;
    return readPath(WPP.loader.moduleRequire(module), path.slice(0, 1));
  }

  // A member may be there without a value. Without wa-js no module is executed, only looked for.
  function isPresent(symbol) {
    if (!WPP) return symbol.module in registeredModules();
    try {
      const value = readExport(symbol);
      return Boolean(value) && symbol.path.slice(1).every((member) => member in value);
    } catch (error) {
      return false;
    }
  }

  const check = () => symbols.map((symbol) => {
    const { group, name, module, path } = symbol;
    return { group, name, address: [module, ...path].join("."), is_present: isPresent(symbol) };
  });

  /* ---------- what is missing, at any time ---------- */

  const reported = new Set();
  let absent = [];
  let checkedAt = -Infinity;

  // Names that parts of the adapter report, and that are not of the list.
  const OTHER_GROUPS = {
    adapter: "sending", gate: "sending", getAuthCode: "linking", isIdle: "linking", logout: "linking",
    ReachoutTimelock: "restrictions", NewChatCap: "restrictions",
  };

  function findGroup(name) {
    if (name in OTHER_GROUPS) return OTHER_GROUPS[name];
    const symbol = symbols.find((candidate) => candidate.path[0] === name || candidate.name === name);
    return symbol ? symbol.group : "session";
  }

  // Not at each state: wa-js searches all modules for what is missing.
  function recheck() {
    const now = performance.now();
    if (now - checkedAt < (WPP.isFullReady ? RECHECK_MS : MAX_LOADING_MS)) return;
    checkedAt = now;
    const modules = registeredModules();
    const isComplete = WPP.isFullReady || now > MAX_LATE_MODULE_MS;
    const isLoaded = ({ address }) => isComplete || address.split(".")[0] in modules;
    absent = check().filter((symbol) => !symbol.is_present && isLoaded(symbol))
      .map(({ group, name }) => `${group}/${name}`);
  }

  const isLoading = () => !WPP.isFullReady && performance.now() < MAX_LOADING_MS;

  // `group/name` of each missing symbol: those of the list, which may come back, and those that a part of
  // the adapter has reported. While the page loads, nothing is missing yet.
  const missing = {
    clear() {
      reported.clear();
      checkedAt = -Infinity;
    },
    add(name) { reported.add(`${findGroup(name)}/${name}`); },
    [Symbol.iterator]() {
      if (isLoading()) return [].values();
      recheck();
      return new Set([...absent, ...reported]).values();
    },
  };

  return { check, missing };
}
