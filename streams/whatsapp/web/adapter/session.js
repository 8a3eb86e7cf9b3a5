/*
 * The session: what the page must offer, where it stands, what happens in it, and linking.
 *
 * Events come back through `listen`, a call that stays open until there is something to tell. So
 * nothing is exposed on `window`, an event is forgotten only after Python has it, and the same call
 * is the heartbeat: a page that does not answer it is hung.
 */
(shared) => {
  "use strict";

  const { WPP, functions, broken } = shared;

  const MAX_EVENTS = 10000;
  const GATHER_MS = 50;

  /* ---------- what the page must offer ---------- */

  const NEEDED = {
    addAndSendMsgToChat: () => functions.addAndSendMsgToChat,
    findOrCreateLatestChat: () => functions.findOrCreateLatestChat,
    getEphemeralFields: () => functions.getEphemeralFields,
    unixTime: () => functions.unixTime,
    queryWidExists: () => functions.queryWidExists,
    handleChatSimpleReceipt: () => functions.handleChatSimpleReceipt,
    ACK: () => WPP.whatsapp.enums.ACK,
    ChatStore: () => WPP.whatsapp.ChatStore,
    MsgStore: () => WPP.whatsapp.MsgStore,
    MsgKey: () => WPP.whatsapp.MsgKey,
    UserPrefs: () => WPP.whatsapp.UserPrefs,
    WidFactory: () => WPP.whatsapp.WidFactory,
    lidPnCache: () => WPP.whatsapp.lidPnCache,
    Conn: () => WPP.whatsapp.Conn,
    Socket: () => WPP.whatsapp.Socket,
    Stream: () => WPP.whatsapp.Stream,
    Cmd: () => WPP.whatsapp.Cmd,
    NetworkStatus: () => WPP.whatsapp.NetworkStatus,
  };

  function probe() {
    for (const [name, symbol] of Object.entries(NEEDED)) {
      if (!symbol()) broken.add(name);
    }
  }

  /* ---------- state ---------- */

  // One missing symbol must not hide the rest of the state; what is missing is told as `broken`.
  function reading(name, read) {
    try {
      return read();
    } catch (error) {
      broken.add(name);
      return null;
    }
  }

  let pairingCode = null;
  let linkError = null;

  // The page's element carries a fifth field (the platform) that wa-js does not give.
  function wholeCode(code) {
    const shown = document.querySelector("[data-ref]");
    return shown && shown.dataset.ref.startsWith(code) ? shown.dataset.ref : code;
  }

  async function qrText() {
    const code = await WPP.conn.getAuthCode();
    return code && code.fullCode ? wholeCode(code.fullCode) : null;
  }

  // After a few codes nobody scanned WhatsApp shows none until somebody clicks.
  async function freshQr() {
    if (reading("isIdle", () => WPP.conn.isIdle())) await WPP.conn.refreshQR();
    return qrText();
  }

  async function readState() {
    const authenticated = Boolean(reading("isAuthenticated", () => WPP.conn.isAuthenticated()));
    const stream = reading("Stream", () => WPP.conn.getStreamData()) || {};
    const me = authenticated ? reading("UserPrefs", () => WPP.conn.getMyUserWid()) : null;
    return {
      authenticated,
      mode: stream.mode || "",
      info: stream.info || "",
      socket: reading("Socket", () => WPP.whatsapp.Socket.state) || "",
      online: reading("NetworkStatus", () => WPP.conn.isOnline()) !== false,
      needs_update: Boolean(reading("needsUpdate", () => WPP.conn.needsUpdate())),
      phone: me ? `+${me.user}` : null,
      qr: authenticated ? null : await freshQr(),
      pairing_code: authenticated ? null : pairingCode,
      link_error: linkError,
      broken: [...broken],
    };
  }

  /* ---------- events ---------- */

  let events = [];
  let lastSeq = 0;
  let stateVersion = 1;
  let wake = () => {};

  // Receipts come in swarms while messages are sent: a moment's wait makes one answer of many.
  function tell(event) {
    lastSeq += 1;
    events.push({ seq: lastSeq, ...event });
    if (events.length > MAX_EVENTS) events.shift();
    if (events.length === 1) setTimeout(() => wake(), GATHER_MS);
  }

  function stateChanged() {
    stateVersion += 1;
    wake();
  }

  const STATE_EVENTS = [
    "conn.auth_code_change", "conn.authenticated", "conn.logout", "conn.logout_reason",
    "conn.main_loaded", "conn.main_ready", "conn.needs_update", "conn.online", "conn.qrcode_idle",
    "conn.require_auth", "conn.stream_info_changed", "conn.stream_mode_changed",
  ];
  const TYPES = {
    chat: "text", ptt: "audio", vcard: "contact", multi_vcard: "contact", poll_creation: "poll",
  };
  const NOT_MESSAGES = new Set([
    "call_log", "ciphertext", "e2e_notification", "gp2", "notification", "notification_template",
    "protocol", "revoked",
  ]);

  function phoneOf(wid) {
    const pn = wid.isLid() ? WPP.whatsapp.lidPnCache.getPhoneNumber(wid) : wid;
    return pn ? `+${pn.user}` : String(wid);
  }

  function onMessage(message) {
    const { id } = message;
    if (id.fromMe || !id.remote.isUser() || NOT_MESSAGES.has(message.type)) return;
    const text = message.type === "chat" ? message.body : message.caption;
    tell({
      kind: "received", from: phoneOf(id.remote), id: id.id, at_s: message.t,
      type: TYPES[message.type] || message.type, body: text || "",
    });
  }

  function onAck(change) {
    if (change.ack < 2) return;
    for (const key of change.ids) {
      if (key.fromMe) tell({ kind: "ack", id: key.id, ack: change.ack, at_s: Date.now() / 1000 });
    }
  }

  function subscribe() {
    for (const name of STATE_EVENTS) WPP.on(name, stateChanged);
    WPP.on("chat.new_message", onMessage);
    WPP.on("chat.msg_ack_change", onAck);
    const code = (value) => { pairingCode = value; stateChanged(); };
    WPP.on("conn.link_code_change", code);
    WPP.on("conn.link_code_expired", () => code(null));
    WPP.on("conn.link_code_error", (error) => { linkError = String(error); code(null); });
  }

  function until(wait_ms, anythingNew) {
    if (anythingNew()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait_ms);
      wake = () => {
        if (!anythingNew()) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function listen({ after, state_version, wait_ms }) {
    events = events.filter((event) => event.seq > after);
    await until(wait_ms, () => events.length > 0 || stateVersion !== state_version);
    return { events, last: lastSeq, state_version: stateVersion, state: await readState() };
  }

  /* ---------- linking ---------- */

  async function request_pairing_code({ phone }) {
    linkError = null;
    const digits = phone.replace(/\D/g, "");
    const managed = Boolean(WPP.whatsapp.LinkDeviceEvents);
    const begin = managed ? "startLinkDeviceCodeForPhoneNumber" : "genLinkDeviceCodeForPhoneNumber";
    pairingCode = await WPP.conn[begin](digits);
    stateChanged();
    return { code: pairingCode };
  }

  // wa-js's logout waits for an event of a page that is about to go away.
  function logout() {
    WPP.whatsapp.Socket.logout();
    return {};
  }

  probe();
  subscribe();
  return { calls: { listen, request_pairing_code, logout } };
}
