/*
 * Storage: messages, chats and preferences are in IndexedDB. With the fault `storage_failure`, it cannot be
 * opened. Nothing here may send.
 */

function openDatabase(name, version, upgrade) {
  return new Promise((resolve, reject) => {
    if (SETTINGS.storage_failure) {
      reject(new DOMException("Internal error opening backing store", "UnknownError"));
      return;
    }
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => upgrade(request.result);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// `operate` gets one object store for each name. The value is that of the request it returns, if any.
async function runInTransaction(opening, storeNames, mode, operate) {
  const database = await opening;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(storeNames, mode, { durability: "relaxed" });
    const request = operate(...[].concat(storeNames).map((name) => transaction.objectStore(name)));
    transaction.oncomplete = () => resolve(request && request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

define("WAWebSandboxStorage", (exports) => {
  const STORES = ["message", "chat", "lid-pn-mapping", "reactions"];

  let opening = null;
  const open = () => (opening ||= openDatabase("model-storage", 3, (database) => {
    for (const name of [...database.objectStoreNames]) database.deleteObjectStore(name);
    const [messages] = STORES.map((name) => database.createObjectStore(name, { keyPath: "id" }));
    messages.createIndex("chat", ["chatId", "rowId"]); // the messages of a chat, in order
    messages.createIndex("rowId", "rowId", { unique: true }); // all messages, in the order of their arrival
  }));

  const read = (storeName, operate) => runInTransaction(open(), storeName, "readonly", operate);
  const write = (storeName, operate) => runInTransaction(open(), storeName, "readwrite", operate);

  exports.transact = (names, mode, operate) => runInTransaction(open(), names, mode, operate);
  exports.initialize = async () => { await open(); };
  exports.put = (storeName, row) => write(storeName, (store) => store.put(row));
  exports.get = (storeName, key) => read(storeName, (store) => store.get(key));
  // One transaction for all keys. The rows are in the order of the keys; undefined if there is none.
  exports.getMany = async (storeName, keys) => {
    const requests = [];
    await read(storeName, (store) => { requests.push(...keys.map((key) => store.get(key))); });
    return requests.map((request) => request.result);
  };
  exports.getAll = (storeName) => read(storeName, (store) => store.getAll());
  exports.clear = () => Promise.all(STORES.map((name) => write(name, (store) => store.clear())));
});

/* Read once at the start; then `get` answers at once. Source: WAWebUserPrefsIndexedDBStorage. */
define("WAWebUserPrefsIndexedDBStorage", (exports) => {
  const STORE = "user-prefs";
  let opening = null;
  const open = () => (opening ||= openDatabase("worker-storage", 1, (database) => {
    database.createObjectStore(STORE, { keyPath: "key" });
  }));
  const write = (operate) => runInTransaction(open(), STORE, "readwrite", operate);

  class UserPrefsIdb {
    constructor() { this.loadedUserPrefs = {}; }

    async init() {
      const rows = await runInTransaction(open(), STORE, "readonly", (store) => store.getAll());
      this.loadedUserPrefs = Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    }

    get(key) {
      const value = this.loadedUserPrefs[key];
      return value === undefined ? null : value;
    }

    async set(key, value) {
      this.loadedUserPrefs[key] = value;
      await write((store) => store.put({ key, value }));
    }

    async remove(key) {
      delete this.loadedUserPrefs[key];
      await write((store) => store.delete(key));
    }

    async clear() {
      this.loadedUserPrefs = {};
      await write((store) => store.clear());
    }
  }
  exports.userPrefsIdb = new UserPrefsIdb();
});
