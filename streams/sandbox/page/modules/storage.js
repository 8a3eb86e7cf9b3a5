/* ---------- storage: messages and chats are in IndexedDB; only the chats are loaded at the start ---------- */

define("WAWebSandboxStorage", (exports) => {
  const STORES = ["message", "chat"];

  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open("model-storage", 1);
    request.onupgradeneeded = () => {
      const [messages] = STORES.map((name) => request.result.createObjectStore(name, { keyPath: "id" }));
      messages.createIndex("pending", "pending"); // what the server has not acknowledged
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  async function run(store, mode, ask) {
    const database = await opened;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(store, mode, { durability: "relaxed" });
      const request = ask(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
    });
  }

  exports.put = (store, value) => run(store, "readwrite", (one) => one.put(value));
  exports.get = (store, key) => run(store, "readonly", (one) => one.get(key));
  exports.all = (store) => run(store, "readonly", (one) => one.getAll());
  exports.pending = () => run("message", "readonly", (one) => one.index("pending").getAll());
  exports.forget = () =>
    Promise.all(STORES.map((name) => run(name, "readwrite", (one) => one.clear())));
});
