/*
 * Storage: messages and chats are in IndexedDB. At the start, only the chats are loaded.
 * Nothing here may send.
 */

define("WAWebSandboxStorage", (exports) => {
  const STORES = ["message", "chat"];

  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open("model-storage", 1);
    request.onupgradeneeded = () => {
      const [messages] = STORES.map((name) => request.result.createObjectStore(name, { keyPath: "id" }));
      messages.createIndex("pending", "pending"); // the messages that the server has not acked
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  async function runInTransaction(storeName, mode, operate) {
    const database = await opened;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(storeName, mode, { durability: "relaxed" });
      const request = operate(transaction.objectStore(storeName));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
    });
  }

  const read = (storeName, operate) => runInTransaction(storeName, "readonly", operate);
  const write = (storeName, operate) => runInTransaction(storeName, "readwrite", operate);

  exports.put = (storeName, row) => write(storeName, (store) => store.put(row));
  exports.get = (storeName, key) => read(storeName, (store) => store.get(key));
  exports.getAll = (storeName) => read(storeName, (store) => store.getAll());
  exports.getPending = () => read("message", (store) => store.index("pending").getAll());
  exports.clear = () => Promise.all(STORES.map((name) => write(name, (store) => store.clear())));
});
