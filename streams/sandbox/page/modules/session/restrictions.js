/*
 * The time lock (no first messages to strangers) and the cap of messages to new chats: where the page keeps
 * them, and what it asks before a send. Nothing here may refuse a message.
 */

define("WAWebABProps", (exports) => {
  const VALUES = { wa_individual_new_chat_thread_capping_limit: 1 };
  exports.getABPropConfigValue = (name) => VALUES[name] || 0;
});

/* Source: WAWebUserPrefsTypes. */
define("WAWebUserPrefsTypes", (exports) => {
  exports.ReachoutTimelockState = buildEnum("HIDDEN", "VISIBLE");
  exports.ReachoutTimelockEnforcementType = buildEnum(
    "DEFAULT", "BIZ_QUALITY", "WEB_COMPANION_ONLY", "RESTRICT_ALL_COMPANIONS",
  );
  exports.NewChatMessageCappingStatusType = buildEnum(
    "NONE", "FIRST_WARNING", "SECOND_WARNING", "CAPPED",
  );
  exports.NewChatMessageCappingOTEStatusType = buildEnum(
    "NOT_ELIGIBLE", "ELIGIBLE", "ACTIVE_IN_CURRENT_CYCLE", "EXHAUSTED",
  );
  exports.NewChatMessageCappingMVStatusType = buildEnum(
    "NOT_ELIGIBLE", "NOT_ACTIVE", "ACTIVE", "ACTIVE_UPGRADE_AVAILABLE",
  );
});

/* Who may always be written to, and who only if they have written (a token of the chat says so). */
define("WAWebSandboxNewChats", (exports, require) => {
  function isMe(wid) {
    const me = require("WAWebUserPrefsMeUser");
    return wid.equals(me.getMaybeMePnUser()) || wid.equals(me.getMaybeMeLidUser());
  }
  exports.isExistingConversation = ({ chat, contact }) => {
    const wid = contact.id;
    if (!wid.isUser() || isMe(wid) || wid.isBot()) return true;
    const token = chat === undefined || chat === null ? null : chat.getTcToken();
    return token !== null && token !== undefined;
  };
});

/* Source: WAWebReachoutTimelockUtils. */
define("WAWebReachoutTimelockUtils", (exports, require) => {
  const KEY = "WAReachoutTimelockState";
  const { ReachoutTimelockEnforcementType } = require("WAWebUserPrefsTypes");
  const read = () => require("WAWebUserPrefsIndexedDBStorage").userPrefsIdb.get(KEY);
  const hasState = (state) => Boolean(read()) && read().state === state;

  exports.REACHOUT_TIMELOCK_IDB_KEY = KEY;
  exports.isUserReachoutTimelocked = () => read() !== null;
  exports.isUserReachoutTimelockedAndHidden = () => hasState("HIDDEN");
  exports.isUserReachoutTimelockedAndVisible = () => hasState("VISIBLE");
  exports.canSendMsgWhileTimelocked = (target) =>
    !exports.isUserReachoutTimelocked() ||
    require("WAWebSandboxNewChats").isExistingConversation(target);
  exports.getReachoutTimelockEnforcementType = (type) =>
    ReachoutTimelockEnforcementType[type] || ReachoutTimelockEnforcementType.DEFAULT;
});

/* Source: WAWebReachoutTimelockActions. */
define("WAWebReachoutTimelockActions", (exports, require) => {
  exports.maybeSetCanSendMsgWhileTimelockedProp = (contacts) => {
    const utils = require("WAWebReachoutTimelockUtils");
    if (!utils.isUserReachoutTimelockedAndVisible()) return;
    const { ChatCollection } = require("WAWebChatCollection");
    for (const contact of contacts) {
      const chat = ChatCollection.get(contact.id);
      contact.set({ canSendMsgWhileTimelocked: utils.canSendMsgWhileTimelocked({ contact, chat }) });
    }
  };
});

/* The end of the lock is stored in milliseconds. Source: WAWebMexReachoutTimelockNotificationHandler. */
define("WAWebMexReachoutTimelockNotificationHandler", (exports, require) => {
  const DEFAULT_LOCK_MS = 60000;

  exports.handleReachoutTimelockUpdate = async (isActive, enforcementType, endsAtS) => {
    const { userPrefsIdb } = require("WAWebUserPrefsIndexedDBStorage");
    const utils = require("WAWebReachoutTimelockUtils");
    const key = utils.REACHOUT_TIMELOCK_IDB_KEY;
    const previous = userPrefsIdb.get(key);
    if (!isActive && !previous) return;
    if (isActive) {
      await userPrefsIdb.set(key, {
        state: previous ? previous.state : "HIDDEN",
        time_enforcement_ends: endsAtS ? parseInt(endsAtS, 10) * 1000 : Date.now() + DEFAULT_LOCK_MS,
        enforcement_type: utils.getReachoutTimelockEnforcementType(enforcementType),
      });
    } else {
      await userPrefsIdb.remove(key);
    }
    require("WAWebCmd").Cmd.reachoutTimelockStateChange();
  };
});

/* Source: WAWebIndividualNewChatMessageCappingLimitGatingUtils. */
define("WAWebIndividualNewChatMessageCappingLimitGatingUtils", (exports, require) => {
  exports.isIndividualNewChatMessageCappingEnabled = () =>
    require("WAWebABProps").getABPropConfigValue("wa_individual_new_chat_thread_capping_limit") > 0;
});

/* The end of the cycle is stored in seconds. Source: WAWebIndividualNewChatMessageCappingLimitUtils. */
define("WAWebIndividualNewChatMessageCappingLimitUtils", (exports, require) => {
  const KEY = "WANewChatMessageCappingData";
  const { NewChatMessageCappingStatusType } = require("WAWebUserPrefsTypes");
  const getPrefs = () => require("WAWebUserPrefsIndexedDBStorage").userPrefsIdb;
  const isEnabled = () => require("WAWebIndividualNewChatMessageCappingLimitGatingUtils")
    .isIndividualNewChatMessageCappingEnabled();

  // The data of a cycle that has not ended.
  function readCurrent() {
    const data = isEnabled() ? getPrefs().get(KEY) : null;
    if (!data) return null;
    if (require("WATimeUtils").unixTime() <= data.cycle_end_timestamp) return data;
    exports.resetCappingStatus(NewChatMessageCappingStatusType.NONE);
    return null;
  }

  exports.NEW_CHAT_MESSAGE_CAPPING_IDB_KEY = KEY;
  exports.getCappingData = () => getPrefs().get(KEY);
  exports.getCappingStatus = () => (exports.getCappingData() || { capping_status: "NONE" }).capping_status;
  exports.getCappingStatusType = (status) => NewChatMessageCappingStatusType[status] || "NONE";
  exports.isUserCapped = () => Boolean(readCurrent()) && readCurrent().capping_status === "CAPPED";
  exports.isUserWarned = () =>
    Boolean(readCurrent()) && readCurrent().capping_status.endsWith("_WARNING");
  exports.canSendMsgWhileCapped = (target) =>
    require("WAWebSandboxNewChats").isExistingConversation(target);
  exports.getUsagePercentage = () => {
    const data = exports.getCappingData();
    if (!data || data.total_quota === 0) return 0;
    return Math.min(100, Math.max(0, (data.used_quota / data.total_quota) * 100));
  };
  exports.resetCappingStatus = async (status) => {
    const data = exports.getCappingData();
    if (data) await getPrefs().set(KEY, { ...data, capping_status: status });
  };
});

/* Older data is ignored. Source: WAWebNewChatMessageCappingNotificationHandler. */
define("WAWebNewChatMessageCappingNotificationHandler", (exports, require) => {
  exports.handleCapStatusUpdate = async (update) => {
    const utils = require("WAWebIndividualNewChatMessageCappingLimitUtils");
    const { userPrefsIdb } = require("WAWebUserPrefsIndexedDBStorage");
    const previous = utils.getCappingData();
    const isStale = previous && previous.server_sent_timestamp >= update.server_sent_timestamp;
    if (!isStale) {
      await userPrefsIdb.set(utils.NEW_CHAT_MESSAGE_CAPPING_IDB_KEY, {
        ...update,
        capping_status: utils.getCappingStatusType(update.capping_status),
        used_quota: Math.min(update.used_quota, update.total_quota),
      });
    }
    require("WAWebCmd").Cmd.newChatMessageCappingStateChange();
  };
});
