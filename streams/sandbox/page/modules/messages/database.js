/*
 * The tables of messages and chats, in IndexedDB: what outlives the page. A model may not be changed here,
 * and nothing is sent. The names are those of the real page.
 */

define("WAWebDBMessageSerialization", (exports, require) => {
  const { createWid } = require("WAWebWidFactory");

  // What is stored of a message. `local`, `isNewMsg` and `mediaData` are not: they end with the page
  // (source: WAWebMsgModel, where they are `session` attributes).
  const STORED = [
    "ack", "isSendFailure", "errorCode", "body", "type", "t", "quotedStanzaID", "quotedMsg", "caption", "filename",
    "mimetype", "size", "filehash", "directPath", "lat", "lng", "loc", "pollName", "pollOptions",
    "pollSelectableOptionsCount", "vcardFormattedName", "vcardList", "receipts", "subtype", "revokeTimestamp",
    "latestEditSenderTimestampMs", "editMsgType", "isVideoCall",
  ];
  const STORED_WIDS = ["from", "to", "author", "quotedParticipant"];
  const STORED_KEYS = ["protocolMessageKey", "latestEditMsgKey"];

  exports.dbRowFromMessage = (message) => {
    const row = { id: String(message.id), chatId: String(message.id.remote) };
    for (const name of STORED) if (message[name] !== undefined) row[name] = message[name];
    for (const name of [...STORED_WIDS, ...STORED_KEYS]) if (message[name]) row[name] = String(message[name]);
    return row;
  };

  exports.messageFromDbRow = ({ chatId, rowId, ...row }) => {
    const MsgKey = require("WAWebMsgKey");
    const message = { ...row, id: MsgKey.from(row.id) };
    for (const name of STORED_KEYS) if (row[name]) message[name] = MsgKey.from(row[name]);
    for (const name of STORED_WIDS) if (row[name]) message[name] = createWid(row[name]);
    return message;
  };
});

define("WAWebDBProcessMessage", (exports, require) => {
  class DuplicateMessageError extends Error {
    name = "DuplicateMessageError";
  }

  const FIRST_ROW_ID = 1e9; // what a phone gives to a new link as its history is below

  // One more than the highest that is there, over all chats (source: WAWebDBStoreMessage).
  function addRows(table, rows) {
    const request = table.index("rowId").openKeyCursor(null, "prev");
    request.onsuccess = () => {
      const first = request.result ? request.result.key + 1 : FIRST_ROW_ID;
      rows.forEach((row, index) => table.add({ ...row, rowId: first + index }));
    };
  }

  function updateChat(chats, id, t) {
    const request = chats.get(id);
    request.onsuccess = () => chats.put({ ...request.result, id, t });
  }

  exports.DuplicateMessageError = DuplicateMessageError;

  // The only way of a message into the table. An id that is there stays as it is (source: WAWebDBProcessMessage:
  // `bulkCreate` fails with a constraint error).
  exports.storeMessages = async (messages, chatId) => {
    const { dbRowFromMessage } = require("WAWebDBMessageSerialization");
    const rows = messages.map(dbRowFromMessage);
    try {
      await require("WAWebSandboxStorage").transact(["message", "chat"], "readwrite", (table, chats) => {
        updateChat(chats, String(chatId), rows[rows.length - 1].t);
        addRows(table, rows);
      });
    } catch (error) {
      throw error && error.name === "ConstraintError" ? new DuplicateMessageError() : error;
    }
  };
});

define("WAWebDBUpdateMessageTable", (exports, require) => {
  // `change` gets the row and returns what is different, or null. Returns the change.
  exports.changeRow = async (key, change) => {
    let changes = null;
    await require("WAWebSandboxStorage").transact(["message"], "readwrite", (table) => {
      const request = table.get(String(key));
      request.onsuccess = () => {
        changes = request.result ? change(request.result) : null;
        if (changes) table.put({ ...request.result, ...changes });
      };
    });
    return changes;
  };
  exports.updateMessageTable = (key, changes) => exports.changeRow(key, () => changes);
});

define("WAWebDBMsgUtils", (exports, require) => {
  exports.getMsgsByMsgKey = async (keys) => {
    const storage = require("WAWebSandboxStorage");
    const rows = await storage.getMany("message", keys.map(String));
    return rows.filter(Boolean).map(require("WAWebDBMessageSerialization").messageFromDbRow);
  };
});

define("WAWebDBMessageFindLocal", (exports, require) => {
  const NOT_FOUND = { messages: [], status: 404 };

  async function readRows(chatId, [from, to], direction, count) {
    const range = IDBKeyRange.bound([chatId, from], [chatId, to], true, true);
    const rows = [];
    await require("WAWebSandboxStorage").transact(["message"], "readonly", (table) => {
      const request = table.index("chat").openCursor(range, direction === "before" ? "prev" : "next");
      request.onsuccess = () => {
        const cursor = request.result;
        if (!cursor || rows.length >= count) return;
        rows.push(cursor.value);
        cursor.continue();
      };
    });
    return direction === "before" ? rows.reverse() : rows;
  }

  // The messages next to the anchor, without it. An anchor without an id is the end of its chat.
  exports.msgFindByDirection = async ({ anchor, count, direction }) => {
    const key = anchor.id && require("WAWebMsgKey").from(anchor);
    const anchorRow = key && (await require("WAWebSandboxStorage").get("message", String(key)));
    if (anchor.id && !anchorRow) return NOT_FOUND;
    const rowId = anchorRow ? anchorRow.rowId : Infinity;
    const bounds = direction === "before" ? [-Infinity, rowId] : [rowId, Infinity];
    const rows = await readRows(String(anchor.remote), bounds, direction, count);
    const { messageFromDbRow } = require("WAWebDBMessageSerialization");
    return { messages: rows.map(messageFromDbRow), status: 200 };
  };
  exports.msgFindBefore = (query) => exports.msgFindByDirection({ ...query, direction: "before" });
  exports.msgFindAfter = (query) => exports.msgFindByDirection({ ...query, direction: "after" });
});

/* The table as the page's own code reads it: the few calls of the real one that are used here. */
define("WAWebSchemaMessage", (exports, require) => {
  const storage = require("WAWebSandboxStorage");

  async function readRange(range, { limit, reverse }) {
    const rows = [];
    await storage.transact(["message"], "readonly", (table) => {
      const request = table.index("rowId").openCursor(range, reverse ? "prev" : "next");
      request.onsuccess = () => {
        if (!request.result || rows.length >= limit) return;
        rows.push(request.result.value);
        request.result.continue();
      };
    });
    return rows;
  }

  exports.getMessageTable = () => ({
    between: (index, lower, upper, options) => {
      const { lowerInclusive, upperInclusive } = options;
      return readRange(IDBKeyRange.bound(lower, upper, !lowerInclusive, !upperInclusive), options);
    },
    bulkGet: (keys) => storage.getMany("message", keys),
  });
});
