/*
 * Messages to the account, read from WhatsApp's own tables, and their files. Nothing here may send, and nothing is
 * kept of a message: an event of the page only says that there is something to read.
 *
 * Each row of the message table has a number, `rowId`, one higher than the highest before it, over all chats. Only the
 * history of a new link is below FIRST_ROW (sources: WAWebDBStoreMessage, WAWebDBMessageSerialization). A revoked
 * message keeps its number and gets the key of the revoke; an edit is a mark on the message that it changes;
 * a reaction has a table of its own (sources: WAWebDBProcessRevokeMsgs, WAWebDBProcessEditProtocolMsgs).
 */
(shared) => {
  "use strict";

  const { WPP, AdapterError, missing, loadModule, loadMessages, tryRead, addHint } = shared;

  const READ_LIMIT = 100;
  const SCAN_LIMIT = 300;
  const MAX_CHARACTERS = 65537; // one more than Python takes, so that it sees the cut
  const MAX_ITEMS = 100;

  /* ---------- WhatsApp's tables ---------- */

  // With this export: one that is wrapped without being there would look present ever after.
  function requireModule(name, symbol) {
    const module = loadModule(name);
    if (module && module[symbol]) return module;
    missing.add(symbol);
    throw new AdapterError("page_incomplete", `WhatsApp Web has no ${symbol}`);
  }

  const getTable = () => requireModule("WAWebSchemaMessage", "getMessageTable").getMessageTable();
  const getReactions = () => requireModule("WAWebSchemaReactions", "getReactionsTable").getReactionsTable();
  const parseRow = (row) =>
    requireModule("WAWebDBMessageSerialization", "messageFromDbRow").messageFromDbRow(row);

  const readRows = (row, limit) => getTable().between(["rowId"], row, Infinity, {
    lowerInclusive: true, upperInclusive: false, limit,
  });

  const readRowsBefore = (row, limit) => getTable().between(["rowId"], 0, row ?? Infinity, {
    lowerInclusive: true, upperInclusive: false, limit, reverse: true,
  });

  const readByKeys = async (keys) =>
    (keys.length ? await getTable().bulkGet(keys) : []).filter(Boolean);

  /* ---------- when there is something to read ---------- */

  function onAdd(model) {
    if (!model.id.fromMe) addHint("messages");
  }

  // A message is revoked, or its content could be decrypted in the end.
  function onTypeChange() {
    addHint("messages");
    addHint("changes");
  }

  // The event of wa-js does not come for the reactions that WhatsApp hands over as a list.
  function watchReactions() {
    const name = "addOrUpdateReactionsModelCollection";
    const module = requireModule("WAWebReactionsMsgAction", name);
    const update = module[name];
    module[name] = function () {
      addHint("changes");
      return update.apply(this, arguments);
    };
  }

  function subscribe() {
    const { MsgStore } = WPP.whatsapp;
    MsgStore.on("add", onAdd);
    MsgStore.on("change:type", onTypeChange);
    MsgStore.on("change:latestEditMsgKey", () => addHint("changes"));
    tryRead(watchReactions);
  }

  /* ---------- one message ---------- */

  // What WhatsApp itself writes into a chat, and what is not a message of its own.
  const SYSTEM_TYPES = new Set([
    "broadcast_notification", "debug", "debug_placeholder", "e2e_notification", "gp2", "history_bundle",
    "keep_in_chat", "newsletter_notification", "notification", "notification_template", "pinned_message",
    "poll_add_option_decrypted", "protocol", "reaction", "reaction_enc",
  ]);
  // Elsewhere the body may be a small picture.
  const TEXT_BODIES = new Set([
    "chat", "buttons_response", "comment", "hsm", "interactive", "interactive_response", "list",
    "list_response", "template_button_reply",
  ]);

  function createClipper() {
    const clipper = { is_clipped: false };
    clipper.clip = (text) => {
      if (typeof text !== "string") return null;
      if (text.length > MAX_CHARACTERS) clipper.is_clipped = true;
      return text.slice(0, MAX_CHARACTERS);
    };
    return clipper;
  }

  // A stranger's device has chosen the id in it. A name that Python could have to cut or to replace would not be
  // recognized again, so such a key has its hash as its name.
  function nameKey(key) {
    const text = String(key);
    if (/^[\x21-\x7e]{1,512}$/.test(text)) return text;
    let hash = 0;
    for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
    return `odd:${text.length}:${hash}`;
  }

  const parseKey = (key) => (typeof key === "string" ? WPP.whatsapp.MsgKey.fromString(key) : key);

  const isReceivedKey = ({ fromMe, remote }) =>
    !fromMe && (remote.isUser() || remote.isGroup()) && String(remote) !== "status@broadcast";

  const isReceived = (row) =>
    tryRead(() => isReceivedKey(parseKey(row.id))) === true && !SYSTEM_TYPES.has(row.type);

  function findPhone(wid) {
    const owner = wid.isLid() ? WPP.whatsapp.lidPnCache.getPhoneNumber(wid) : wid;
    return owner ? `+${owner.user}` : null;
  }

  function findName(wid) {
    const contact = WPP.whatsapp.ContactStore.get(wid);
    return contact ? contact.pushname || contact.name || null : null;
  }

  const toWid = (wid) => (typeof wid === "string" ? WPP.whatsapp.WidFactory.createWid(wid) : wid);

  function describeWriter({ remote, participant }, author, { clip }) {
    const writer = remote.isGroup() ? toWid(participant || author) : remote;
    return {
      remote: String(remote),
      phone: tryRead(() => findPhone(writer)),
      name: clip(tryRead(() => findName(writer))),
    };
  }

  function describeCards(message, { clip }) {
    const cards = message.type === "vcard"
      ? [{ displayName: message.vcardFormattedName, vcard: message.body }] : message.vcardList || [];
    return cards.slice(0, MAX_ITEMS).map(({ displayName, vcard }) => ({
      name: clip(displayName), vcard: clip(vcard),
    }));
  }

  const describePoll = (message, { clip }) => ({
    poll_name: clip(message.pollName), poll_selectable: message.pollSelectableOptionsCount ?? null,
    poll_options: (message.pollOptions || []).slice(0, MAX_ITEMS).map(({ name }) => clip(name)),
  });

  function describeContent(message, clipper) {
    const { clip } = clipper;
    const { type } = message;
    if (type === "vcard" || type === "multi_vcard") return { vcards: describeCards(message, clipper) };
    if (type === "poll_creation") return describePoll(message, clipper);
    return {
      body: TEXT_BODIES.has(type) ? clip(message.body) : null, caption: clip(message.caption),
      lat: message.lat ?? null, lng: message.lng ?? null, loc: clip(message.loc),
      mimetype: clip(message.mimetype), filename: clip(message.filename), size: message.size ?? null,
      is_video_call: Boolean(message.isVideoCall),
    };
  }

  function describe(row) {
    const clipper = createClipper();
    const message = parseRow(row);
    const key = message.id;
    const target = message.protocolMessageKey && parseKey(message.protocolMessageKey).id;
    const described = {
      row: row.rowId, key: nameKey(row.id), id: key.id, type: message.type, t: message.t ?? null,
      quoted: clipper.clip(message.quotedStanzaID), target: target || null,
      ...describeWriter(key, message.author, clipper), ...describeContent(message, clipper),
    };
    return { ...described, is_clipped: clipper.is_clipped };
  }

  // A row that cannot be read is a message all the same.
  function describeSafely(row) {
    try {
      return describe(row);
    } catch (error) {
      const key = parseKey(row.id);
      return {
        row: row.rowId, key: nameKey(row.id), id: key.id, remote: String(key.remote), type: "unreadable",
        t: row.t ?? null,
      };
    }
  }

  /* ---------- reading messages ---------- */

  // A revoked message has another key than before.
  const isAnchor = (row, number, name) => Boolean(row) && row.rowId === number
    && (nameKey(row.id) === name || nameKey(row.protocolMessageKey) === name);

  async function read_messages({ after_row, after_key, since_s, pending }) {
    const rows = await readRows(after_key ? after_row : after_row + 1, READ_LIMIT + 1);
    const nothing = { rows: [], pending: [], last_row: after_row, last_key: after_key };
    if (after_key && !isAnchor(rows.shift(), after_row, after_key)) {
      return { ...nothing, is_anchored: false };
    }
    const last = rows[rows.length - 1];
    const isNew = (row) => isReceived(row) && (row.t ?? 0) >= since_s;
    return {
      is_anchored: true,
      rows: rows.filter(isNew).map(describeSafely),
      pending: (await readByKeys(pending)).map(describeSafely),
      last_row: last ? last.rowId : after_row, last_key: last ? nameKey(last.id) : after_key,
    };
  }

  /* ---------- reading changes ---------- */

  function describeEdit(row) {
    const edit = row.latestEditMsgKey && parseKey(row.latestEditMsgKey);
    if (!edit || !isReceived(row)) return [];
    const described = describeSafely(row);
    const changed_s = (row.latestEditSenderTimestampMs || 0) / 1000;
    return [{ ...described, change: "edit", id: edit.id, target: described.id, changed_s }];
  }

  function describeRevoke(row) {
    if (row.type !== "revoked" || !isReceived(row)) return [];
    return [{ ...describeSafely(row), change: "revoke", changed_s: row.revokeTimestamp ?? row.t ?? 0 }];
  }

  function describeReaction(row) {
    const [key, parent] = [parseKey(row.msgKey), parseKey(row.parentMsgKey)];
    if (key.fromMe || !(key.remote.isUser() || key.remote.isGroup())) return [];
    const clipper = createClipper();
    const writer = key.remote.isGroup() ? row.senderUserJid : null;
    return [{
      change: "reaction", key: String(row.parentMsgKey), id: key.id, target: parent.id,
      emoji: clipper.clip(row.reactionText), changed_s: (row.timestamp || 0) / 1000,
      ...describeWriter({ remote: key.remote, participant: writer }, writer, clipper),
    }];
  }

  const describeAll = (rows, since_s) => rows
    .flatMap((row) => [...describeEdit(row), ...describeRevoke(row)])
    .filter(({ changed_s }) => changed_s >= since_s);

  async function readReactions(since_s) {
    const rows = await getReactions().all();
    const recent = rows.filter(({ timestamp }) => (timestamp || 0) / 1000 >= since_s);
    return recent.flatMap((row) => tryRead(() => describeReaction(row)) || []);
  }

  // Everything since this time and after this row, a part at a time.
  async function read_changes({ after_row, since_s, before_row }) {
    const rows = await readRowsBefore(before_row, SCAN_LIMIT);
    const last = rows[rows.length - 1];
    const isLast = rows.length < SCAN_LIMIT || (last.t ?? 0) < since_s || last.rowId <= after_row;
    const reactions = before_row === null ? await readReactions(since_s) : [];
    return { changes: [...describeAll(rows, since_s), ...reactions], next_row: isLast ? null : last.rowId };
  }

  /* ---------- files ---------- */

  const files = new Map();
  let fileCount = 0;

  async function open_media({ key, max_bytes }) {
    await loadMessages([key]);
    const model = WPP.whatsapp.MsgStore.get(key);
    if (!model) throw new AdapterError("media_gone", "the message is not there any more");
    if (Number(model.size) > max_bytes) throw new AdapterError("media_too_large", "the file is too large");
    const blob = await WPP.chat.downloadMedia(model.id);
    if (blob.size > max_bytes) throw new AdapterError("media_too_large", "the file is too large");
    fileCount += 1;
    const token = String(fileCount);
    files.set(token, blob);
    return { token, size: blob.size };
  }

  // In base64: the only form in which bytes leave the page.
  const encode = (blob) => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });

  async function read_media({ token, start, end }) {
    return { data: await encode(files.get(token).slice(start, end)) };
  }

  function close_media({ token }) {
    files.delete(token);
    return {};
  }

  subscribe();
  return { calls: { read_messages, read_changes, open_media, read_media, close_media } };
}
