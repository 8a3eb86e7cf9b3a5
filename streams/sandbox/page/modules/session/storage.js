/*
 * Storage: messages and chats are in IndexedDB. At the start, only the chats are loaded.
 * Nothing here may send.
 */

define("WAWebSandboxStorage", (exports) => {
  const STORES = ["message", "chat", "lid-pn-mapping", "reactions"];

  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open("model-storage", 2);
    request.onupgradeneeded = () => {
      const database = request.result;
      for (const name of [...database.objectStoreNames]) database.deleteObjectStore(name);
      const [messages] = STORES.map((name) => database.createObjectStore(name, { keyPath: "id" }));
      messages.createIndex("chat", ["chatId", "rowId"]); // the messages of a chat, in order
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  // `operate` gets one object store for each name. The value is that of the request it returns, if any.
  exports.transact = async (names, mode, operate) => {
    const database = await opened;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(names, mode, { durability: "relaxed" });
      const request = operate(...names.map((name) => transaction.objectStore(name)));
      transaction.oncomplete = () => resolve(request && request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  };

  const read = (storeName, operate) => exports.transact([storeName], "readonly", operate);
  const write = (storeName, operate) => exports.transact([storeName], "readwrite", operate);

  exports.put = (storeName, row) => write(storeName, (store) => store.put(row));
  exports.get = (storeName, key) => read(storeName, (store) => store.get(key));
  exports.getAll = (storeName) => read(storeName, (store) => store.getAll());
  exports.clear = () => Promise.all(STORES.map((name) => write(name, (store) => store.clear())));
});
