/*
 * The session: its state, its events, and linking. Nothing here may send a message.
 *
 * Python receives events through `listen`, a call that stays open until there is something new. So
 * nothing is exposed on `window`, an event is removed only after Python has it, and the same call is
 * the heartbeat: a page that does not answer it is hung.
 */
(shared) => {
  "use strict";

  const { WPP, missing } = shared;

  const MAX_EVENTS = 10000;
  const BATCH_DELAY_MS = 50;

  /* ---------- state ---------- */

  // One missing symbol must not hide the rest of the state: its name is reported in `missing`.
  function readOrNull(name, read) {
    try {
      return read();
    } catch (error) {
      missing.add(name);
      return null;
    }
  }

  let pairingCode = null;
  let linkError = null;

  // The page's element has a fifth field (the platform), which wa-js does not return.
  function completeCode(code) {
    const element = document.querySelector("[data-ref]");
    return element && element.dataset.ref.startsWith(code) ? element.dataset.ref : code;
  }

  async function readQr() {
    const code = await WPP.conn.getAuthCode();
    return code && code.fullCode ? completeCode(code.fullCode) : null;
  }

  // After a few codes that nobody scanned, WhatsApp shows none until somebody clicks.
  async function refreshAndReadQr() {
    if (readOrNull("isIdle", () => WPP.conn.isIdle())) await WPP.conn.refreshQR();
    return readQr();
  }

  async function readState() {
    const authenticated = Boolean(readOrNull("isAuthenticated", () => WPP.conn.isAuthenticated()));
    const stream = readOrNull("Stream", () => WPP.conn.getStreamData()) || {};
    const me = authenticated ? readOrNull("UserPrefs", () => WPP.conn.getMyUserWid()) : null;
    return {
      authenticated,
      mode: stream.mode || "",
      info: stream.info || "",
      socket: readOrNull("Socket", () => WPP.whatsapp.Socket.state) || "",
      online: readOrNull("NetworkStatus", () => WPP.conn.isOnline()) !== false,
      needs_update: Boolean(readOrNull("needsUpdate", () => WPP.conn.needsUpdate())),
      phone: me ? `+${me.user}` : null,
      qr: authenticated ? null : await refreshAndReadQr(),
      pairing_code: authenticated ? null : pairingCode,
      link_error: linkError,
      missing: [...missing],
    };
  }

  /* ---------- events ---------- */

  let events = [];
  let lastSeq = 0;
  let stateVersion = 1;
  let wake = () => {};

  // Receipts come in bursts while messages are sent: a short delay puts many into one answer.
  function addEvent(event) {
    lastSeq += 1;
    events.push({ seq: lastSeq, ...event });
    if (events.length > MAX_EVENTS) events.shift();
    if (events.length === 1) setTimeout(() => wake(), BATCH_DELAY_MS);
  }

  function markStateChanged() {
    stateVersion += 1;
    wake();
  }

  const STATE_EVENTS = [
    "conn.auth_code_change", "conn.authenticated", "conn.logout", "conn.logout_reason",
    "conn.main_loaded", "conn.main_ready", "conn.needs_update", "conn.online", "conn.qrcode_idle",
    "conn.require_auth", "conn.stream_info_changed", "conn.stream_mode_changed",
  ];
  const CONTENT_TYPES = {
    chat: "text", ptt: "audio", vcard: "contact", multi_vcard: "contact", poll_creation: "poll",
  };
  const SYSTEM_TYPES = new Set([
    "call_log", "ciphertext", "e2e_notification", "gp2", "notification", "notification_template",
    "protocol", "revoked",
  ]);

  function findPhone(wid) {
    const phoneWid = wid.isLid() ? WPP.whatsapp.lidPnCache.getPhoneNumber(wid) : wid;
    return phoneWid ? `+${phoneWid.user}` : String(wid);
  }

  function onMessage(message) {
    const { id } = message;
    if (id.fromMe || !id.remote.isUser() || SYSTEM_TYPES.has(message.type)) return;
    const text = message.type === "chat" ? message.body : message.caption;
    addEvent({
      kind: "received", from: findPhone(id.remote), id: id.id, at_s: message.t,
      type: CONTENT_TYPES[message.type] || message.type, body: text || "",
    });
  }

  function onAck(change) {
    if (change.ack < 2) return;
    for (const key of change.ids) {
      if (key.fromMe) addEvent({ kind: "ack", id: key.id, ack: change.ack, at_s: Date.now() / 1000 });
    }
  }

  function subscribe() {
    for (const name of STATE_EVENTS) WPP.on(name, markStateChanged);
    WPP.on("chat.new_message", onMessage);
    WPP.on("chat.msg_ack_change", onAck);
    const setPairingCode = (code) => { pairingCode = code; markStateChanged(); };
    WPP.on("conn.link_code_change", setPairingCode);
    WPP.on("conn.link_code_expired", () => setPairingCode(null));
    WPP.on("conn.link_code_error", (error) => { linkError = String(error); setPairingCode(null); });
  }

  function waitForNews(wait_ms, hasNews) {
    if (hasNews()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait_ms);
      wake = () => {
        if (!hasNews()) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function listen({ after, state_version, wait_ms }) {
    events = events.filter((event) => event.seq > after);
    await waitForNews(wait_ms, () => events.length > 0 || stateVersion !== state_version);
    return { events, last: lastSeq, state_version: stateVersion, state: await readState() };
  }

  /* ---------- linking ---------- */

  async function request_pairing_code({ phone }) {
    linkError = null;
    const digits = phone.replace(/\D/g, "");
    const isManaged = Boolean(WPP.whatsapp.LinkDeviceEvents);
    const begin = isManaged ? "startLinkDeviceCodeForPhoneNumber" : "genLinkDeviceCodeForPhoneNumber";
    pairingCode = await WPP.conn[begin](digits);
    markStateChanged();
    return { code: pairingCode };
  }

  // The page then sends again what the server has not acked (source: WAWebSocketModel).
  function reconnect() {
    WPP.whatsapp.Socket.reconnect();
    return {};
  }

  // The logout of wa-js waits for an event of a page that is about to navigate away.
  function logout() {
    WPP.whatsapp.Socket.logout();
    return {};
  }

  subscribe();
  return { calls: { listen, request_pairing_code, reconnect, logout } };
}
