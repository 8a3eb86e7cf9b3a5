/*
 * The session: its state, its events, and linking. Nothing here may send a message.
 *
 * Python receives events through `listen`, a call that stays open until there is something new. So
 * nothing is exposed on `window`, an event is removed only after Python has it, and the same call is
 * the heartbeat: a page that does not answer it is hung.
 */
(shared) => {
  "use strict";

  const { WPP, missing, readOrNull, connection, restrictions, linking } = shared;

  const MAX_EVENTS = 10000;
  const BATCH_DELAY_MS = 100;

  /* ---------- state ---------- */

  // Each link of a phone has another number (sources: WAWebUserPrefsMeUser, WAWebWid). getMyDeviceId of wa-js
  // does not tell it.
  function readDevice() {
    const me = readOrNull("getMaybeMeDevicePn", () => WPP.whatsapp.UserPrefs.getMaybeMeDevicePn());
    return me && Number.isInteger(me.device) ? me.device : null;
  }

  // `complete`: the page has every module, so what is missing now is really missing.
  async function readState() {
    const isComplete = shared.isComplete();
    const linked = connection.isAuthenticated();
    const me = linked ? readOrNull("UserPrefs", () => WPP.conn.getMyUserWid()) : null;
    return {
      ...connection.readConnection(),
      ...restrictions.readRestrictions(),
      ...(await linking.readLinking()),
      complete: isComplete,
      needs_update: Boolean(readOrNull("needsUpdate", () => WPP.conn.needsUpdate())),
      phone: me ? `+${me.user}` : null,
      device: linked ? readDevice() : null,
      ...readPending(),
      missing: [...missing],
    };
  }

  const readPending = () =>
    shared.late.readPending ? shared.late.readPending() : { pending: 0, pending_since_ms: null };

  /* ---------- events ---------- */

  let events = [];
  let lastSeq = 0;
  let stateVersion = 1;
  let wake = () => {};

  let batchTimer = null;
  let isBatchDue = false;

  // Receipts come in bursts while messages are sent: a short delay puts many into one answer, also what came
  // while Python was between two calls.
  function scheduleBatch() {
    if (isBatchDue || batchTimer !== null || !events.length) return;
    batchTimer = setTimeout(() => {
      batchTimer = null;
      isBatchDue = true;
      wake();
    }, BATCH_DELAY_MS);
  }

  function addEvent(event) {
    lastSeq += 1;
    events.push({ seq: lastSeq, ...event });
    if (events.length > MAX_EVENTS) events.shift();
    scheduleBatch();
  }

  function markStateChanged() {
    stateVersion += 1;
    wake();
  }

  const STATE_EVENTS = [
    "conn.auth_code_change", "conn.authenticated", "conn.logout",
    "conn.main_loaded", "conn.main_ready", "conn.needs_update", "conn.online", "conn.qrcode_idle",
    "conn.require_auth", "conn.stream_info_changed", "conn.stream_mode_changed",
  ];
  const CMD_EVENTS = [
    "offline_delivery_end_from_bridge", "offline_delivery_state_reset_from_bridge",
    "offline_progress_update_from_bridge",
  ];
  // Of each kind one that Python does not have yet is enough, so a flood of messages displaces no receipt.
  const hinted = new Set();

  function addHint(about) {
    if (hinted.has(about)) return;
    hinted.add(about);
    addEvent({ kind: "hint", about });
  }

  function subscribe() {
    for (const name of STATE_EVENTS) WPP.on(name, markStateChanged);
    readOrNull("Cmd", () => {
      for (const name of CMD_EVENTS) WPP.whatsapp.Cmd.on(name, markStateChanged);
    });
    WPP.loader.onFullReady(markStateChanged);
    connection.subscribe(markStateChanged);
    restrictions.subscribe(markStateChanged);
    linking.subscribe(markStateChanged);
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
    for (const event of events) if (event.kind === "hint" && event.seq <= after) hinted.delete(event.about);
    events = events.filter((event) => event.seq > after);
    scheduleBatch();
    await waitForNews(wait_ms, () => isBatchDue || stateVersion !== state_version);
    isBatchDue = false;
    return { events, last: lastSeq, state_version: stateVersion, state: await readState() };
  }

  /* ---------- calls ---------- */

  // The page then sends again what the server has not acked (source: WAWebSocketModel).
  function reconnect() {
    WPP.whatsapp.Socket.reconnect();
    return {};
  }

  subscribe();
  return { calls: { listen, reconnect }, internal: { addEvent, addHint } };
}
