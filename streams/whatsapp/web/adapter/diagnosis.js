/*
 * The diagnosis: what this document is, what it offers, and in which state it is. For a bug report.
 *
 * It works on any document, also without wa-js or the adapter, so each reading may fail and is then null.
 * It may change nothing, send nothing, and return nothing personal: no phone number, name, chat, message,
 * code or key. So only numbers, words of WhatsApp's own enums, and versions leave this file.
 */
(buildSymbols) => {
  "use strict";

  const WPP = window.WPP && window.WPP.whatsapp ? window.WPP : null;
  const isReady = Boolean(WPP && WPP.isFullReady);
  const isStuck = Boolean(WPP) && performance.now() > 30 * 1000; // it should be ready by now

  /* ---------- reading ---------- */

  const attempt = (read) => {
    try {
      const value = read();
      return value === undefined ? null : value;
    } catch (error) {
      return null;
    }
  };

  const readNumber = (read) => {
    const value = attempt(read);
    return Number.isFinite(value) ? value : null;
  };

  const readFlag = (read) => {
    const value = attempt(read);
    return typeof value === "boolean" ? value : null;
  };

  // A word of an enum or a version: too short for a message, without the digits of a phone number.
  const readWord = (read) => {
    const value = attempt(read);
    return typeof value === "string" && /^[A-Za-z0-9_.-]{1,40}$/.test(value) && !/\d{11}/.test(value)
      ? value
      : null;
  };

  const takeModule = (name) => {
    const { modulesMap } = window.require("__debug");
    return name in modulesMap ? WPP.loader.moduleRequire(name) : null;
  };

  const countModules = () => Object.keys(window.require("__debug").modulesMap).length;

  /* ---------- the document ---------- */

  // WhatsApp puts the reason of a logout into the address. Everything else there may be personal.
  function readUrl() {
    const url = new URL(window.location.href);
    if (!/^https?:$/.test(url.protocol)) return url.protocol;
    const reason = url.searchParams.get("logout_reason");
    const query = /^\d$/.test(reason || "") ? `?logout_reason=${reason}` : "";
    return `${url.origin}${url.pathname.length <= 20 ? url.pathname : "/…"}${query}`;
  }

  // The title has the number of unread messages. A title that is not WhatsApp's own may be a chat's name.
  function readTitle() {
    const title = document.title.replace(/^\(\d+\+?\)\s*/, "");
    return /^(WhatsApp( Web| Business)?|)$/.test(title) ? title : "another title";
  }

  // WhatsApp's server answers an unsupported browser with a page that has none of the modules.
  function isUnsupportedBrowser() {
    if (attempt(countModules)) return false;
    const text = document.body ? document.body.innerText : "";
    return /WhatsApp works with|update (Google )?Chrome|supported browser/i.test(text);
  }

  const readBrands = () =>
    navigator.userAgentData.brands.map(({ brand, version }) => `${brand} ${version}`);

  function readTimes() {
    const [entry] = performance.getEntriesByType("navigation");
    const toSeconds = (ms) => (ms > 0 ? Math.round(ms) / 1000 : null);
    return {
      response_s: toSeconds(entry.responseEnd),
      dom_ready_s: toSeconds(entry.domContentLoadedEventEnd),
      loaded_s: toSeconds(entry.loadEventEnd),
    };
  }

  const readDocument = () => ({
    url: attempt(readUrl),
    title: attempt(readTitle),
    is_unsupported_browser: readFlag(isUnsupportedBrowser),
    module_count: readNumber(countModules),
    user_agent: attempt(() => navigator.userAgent),
    brands: attempt(readBrands) || [],
    whatsapp_version: readWord(() => window.Debug.VERSION)
      || readWord(() => takeModule("WAWebUpdaterVersion").SANITIZED_VERSION_STR),
    wa_js_version: readWord(() => window.WPP.version),
    is_wa_js_ready: isReady,
    ...(attempt(readTimes) || {}),
  });

  /* ---------- the session ---------- */

  // Source: WAWebReachoutTimelockUtils. Its end is in the stored state, in milliseconds
  // (WAWebMexReachoutTimelockNotificationHandler).
  function readTimeLock() {
    const utils = takeModule("WAWebReachoutTimelockUtils");
    if (!utils.isUserReachoutTimelocked()) return { is_time_locked: false };
    const { userPrefsIdb } = takeModule("WAWebUserPrefsIndexedDBStorage");
    const state = attempt(() => userPrefsIdb.get(utils.REACHOUT_TIMELOCK_IDB_KEY)) || {};
    return {
      is_time_locked: true,
      time_lock_until_s: readNumber(() => Number(state.time_enforcement_ends) / 1000),
      time_lock_kind: readWord(() => String(state.enforcement_type)),
    };
  }

  // Source: WAWebIndividualNewChatMessageCappingLimitUtils
  function readNewChatCap() {
    const data = takeModule("WAWebIndividualNewChatMessageCappingLimitUtils").getCappingData();
    if (!data) return {};
    return {
      new_chat_quota: readNumber(() => data.total_quota),
      new_chats_used: readNumber(() => data.used_quota),
      new_chat_quota_until_s: readNumber(() => data.cycle_end_timestamp),
      new_chat_cap_status: readWord(() => data.capping_status),
    };
  }

  const readOwnModels = () =>
    WPP.whatsapp.MsgStore.getModelsArray().filter((model) => model.id && model.id.fromMe);

  // Source: WAWebUpdateClockSkewUtils: our clock minus the server's, measured at each connection.
  const readSession = () => ({
    is_linked: readFlag(() => Boolean(WPP.conn.isAuthenticated())),
    socket: readWord(() => WPP.whatsapp.Socket.state),
    stream: readWord(() => WPP.whatsapp.Socket.stream),
    mode: readWord(() => WPP.whatsapp.Stream.mode),
    is_online: readFlag(() => takeModule("WAWebNetworkStatus").default.online),
    retry_at_s: readNumber(() => WPP.whatsapp.Socket.retryTimestamp / 1000),
    is_offline_delivery_over: readFlag(() => WPP.whatsapp.Cmd.isOfflineDeliveryEnd),
    offline_delivery_percent: readNumber(() =>
      takeModule("WAWebOfflineHandler").OfflineMessageHandler.getOfflineDeliveryProgress()),
    logout_reason_code: readWord(() => takeModule("WAWebLogoutReason").getPrevLogoutReasonCode()),
    is_update_needed: readFlag(() => Boolean(WPP.whatsapp.Stream.needsUpdate)),
    ...(attempt(readTimeLock) || {}),
    ...(attempt(readNewChatCap) || {}),
    pending_rows: readNumber(() => readOwnModels().filter((model) => model.ack === 0).length),
    failed_rows: readNumber(() => readOwnModels().filter((model) => model.isSendFailure).length),
    clock_difference_s: readNumber(() => takeModule("WATimeUtils").getClockSkew()),
  });

  /* ---------- the browser ---------- */

  const CODECS = {
    h264: ["video", 'video/mp4; codecs="avc1.42E01E"'],
    aac: ["audio", 'audio/mp4; codecs="mp4a.40.2"'],
    opus: ["audio", 'audio/ogg; codecs="opus"'],
    vp8: ["video", 'video/webm; codecs="vp8"'],
  };

  const canPlay = ([tag, type]) => Boolean(document.createElement(tag).canPlayType(type));
  const canEncodeWebp = () =>
    document.createElement("canvas").toDataURL("image/webp").startsWith("data:image/webp");

  function readCodecs() {
    const codecs = Object.entries(CODECS).map(([name, codec]) => [name, readFlag(() => canPlay(codec))]);
    return { ...Object.fromEntries(codecs), webp: readFlag(canEncodeWebp) };
  }

  async function readStorage() {
    try {
      const { usage, quota } = await navigator.storage.estimate();
      return { storage_used_mb: Math.round(usage / 1e6), storage_quota_mb: Math.round(quota / 1e6) };
    } catch (error) {
      return {};
    }
  }

  return async () => ({
    document: readDocument(),
    session: readSession(),
    codecs: readCodecs(),
    symbols: attempt(() => buildSymbols(isReady || isStuck ? WPP : null).check()) || [],
    ...(await readStorage()),
  });
}
