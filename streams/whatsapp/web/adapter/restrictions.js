/*
 * What WhatsApp forbids the account: a ban, the time lock for new chats, their quota. Nothing here may
 * send a message.
 *
 * Only an event tells of a ban (sources: WAWebHandleFailure, WAWebCmd). After each accepted login it comes
 * again, with `banned: false` (WAWebHandleSuccess).
 */
(shared) => {
  "use strict";

  const { WPP, readOrNull, tryRead, loadModule } = shared;

  /* ---------- what stops every message ---------- */

  let ban = null; // {reason, ends_at_ms}, on the document's monotonic clock

  // `expire` is a duration in seconds (source: WAWebTempBanScreen).
  function onBan(event) {
    if (!event || !event.banned) {
      ban = null;
      return;
    }
    const seconds = Number(event.expire);
    const ends_at_ms = Number.isFinite(seconds) ? performance.now() + seconds * 1000 : null;
    ban = { reason: "temporarily_banned", ends_at_ms };
  }

  // A duration, because nobody else has this document's clock.
  function readBan() {
    if (!ban) return null;
    const { reason, ends_at_ms } = ban;
    return { reason, remaining_s: ends_at_ms === null ? null : (ends_at_ms - performance.now()) / 1000 };
  }

  const findBan = () => ban;

  // The server refuses this version (405, 409): the page ends the connection and reloads itself for a
  // newer one (sources: WAWebHandleFailure, WAWebUpdater).
  let isUpdateForced = false;

  function watchUpdates(markStateChanged) {
    const { Updater } = loadModule("WAWebUpdater");
    const { update } = Updater;
    Updater.update = function (options) {
      if (options && options.belowHard === 0) {
        isUpdateForced = true;
        markStateChanged();
      }
      return update.apply(this, arguments);
    };
  }

  /* ---------- the clock of WhatsApp's server ---------- */

  // The ends of locks and quotas are its times. The page measures the difference to the host's clock when it
  // logs in (sources: WAWebUpdateClockSkewUtils, WATimeUtils). From then on only the monotonic clock counts: a
  // host's clock that is set must not end a lock.
  let anchor = null;

  function readServerTime() {
    const skew_s = tryRead(() => loadModule("WATimeUtils").getClockSkew()) || 0;
    if (!anchor || anchor.skew_s !== skew_s) {
      anchor = { skew_s, server_s: Date.now() / 1000 - skew_s, at_ms: performance.now() };
    }
    return anchor.server_s + (performance.now() - anchor.at_ms) / 1000;
  }

  /* ---------- what stops messages to strangers ---------- */

  const TIME_LOCK_KEY = "WAReachoutTimelockState";
  const loadTimeLockUtils = () => loadModule("WAWebReachoutTimelockUtils");
  const loadCapUtils = () => loadModule("WAWebIndividualNewChatMessageCappingLimitUtils");

  // Its end is in milliseconds (source: WAWebMexReachoutTimelockNotificationHandler).
  function readTimeLock() {
    return readOrNull("ReachoutTimelock", () => {
      const key = tryRead(() => loadTimeLockUtils().REACHOUT_TIMELOCK_IDB_KEY) || TIME_LOCK_KEY;
      const lock = loadModule("WAWebUserPrefsIndexedDBStorage").userPrefsIdb.get(key);
      if (lock === null || lock === undefined) return null;
      const ends = lock.time_enforcement_ends;
      const until_s = ends === null || ends === undefined ? null : Number(ends) / 1000;
      if (until_s !== null && until_s <= readServerTime()) return null;
      return { until_s, kind: String(lock.enforcement_type || "DEFAULT") };
    });
  }

  // Its end is in seconds. A cycle that is over says nothing about the next one. A total of 0 stands for a
  // quota that the server has not told (source: WAWebMexFetchNewChatMessageCappingInfoJob).
  function readNewChatQuota() {
    return readOrNull("NewChatCap", () => {
      const utils = loadCapUtils();
      const data = utils.getCappingData();
      const hasQuota = data && (Number(data.total_quota) > 0 || data.capping_status === "CAPPED");
      if (!hasQuota) return null;
      const resets_at_s = Number(data.cycle_end_timestamp) || null;
      if (resets_at_s !== null && resets_at_s <= readServerTime()) return null;
      return {
        total: Number(data.total_quota) || 0, used: Number(data.used_quota) || 0, resets_at_s,
        // The page asks this only where its own experiment is on; the server enforces it anyway.
        is_used_up: Boolean(utils.isUserCapped()) || data.capping_status === "CAPPED",
      };
    });
  }

  // The token that WhatsApp gives for somebody who has written to the account.
  const isTrusted = (chat) => Boolean(chat && chat.getTcToken && chat.getTcToken() != null);

  // WhatsApp's own check fails without a contact, of somebody whom the page does not know: that is no missing symbol.
  function isAllowed(name, loadUtils, chat, contact) {
    const canSend = contact ? readOrNull(name, () => loadUtils()[name]({ chat, contact })) : null;
    return canSend === null ? isTrusted(chat) : canSend === true;
  }

  // Whether this person never wrote to the account.
  const isStranger = (chat, contact) =>
    !isAllowed("canSendMsgWhileCapped", loadCapUtils, chat, contact || (chat && chat.contact));

  // Null, or why a message to this contact would be refused, and until when.
  function findNewChatRestriction(chat, contact, isNewChatAllowed = true) {
    const person = contact || (chat && chat.contact);
    const refuse = (until_s) => ({ code: "new_chats_restricted", until_s });
    const lock = readTimeLock();
    if (lock && !isAllowed("canSendMsgWhileTimelocked", loadTimeLockUtils, chat, person)) {
      return refuse(lock.until_s);
    }
    const quota = readNewChatQuota();
    const isCapped = Boolean(quota && quota.is_used_up);
    if (!isCapped && isNewChatAllowed) return null;
    if (isAllowed("canSendMsgWhileCapped", loadCapUtils, chat, person)) return null;
    return refuse(isCapped ? quota.resets_at_s : null);
  }

  /* ---------- events, and the state ---------- */

  function subscribe(markStateChanged) {
    const listenTo = (name, callback) => {
      readOrNull("Cmd", () => WPP.whatsapp.Cmd.on(name, (event) => {
        callback(event);
        markStateChanged();
      }));
    };
    listenTo("account_temporarily_banned_from_bridge", onBan);
    listenTo("reachout_timelock_state_change", () => {});
    listenTo("new_chat_message_capping_state_change", () => {});
    tryRead(() => watchUpdates(markStateChanged));
  }

  function readRestrictions() {
    return {
      ban: readBan(),
      update_forced: isUpdateForced,
      time_lock: readTimeLock(),
      new_chat_quota: readNewChatQuota(),
    };
  }

  return { findBan, findNewChatRestriction, isStranger, readRestrictions, subscribe };
}
