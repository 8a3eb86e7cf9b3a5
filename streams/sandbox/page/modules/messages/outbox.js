/*
 * The outbox: a stanza is sent until the server has answered it. A message may leave the page here alone.
 *
 * It is in memory. Within one life of the page, the same stanza is sent again at each connection until its ack
 * comes, without a limit (source: WAComms, WAWebCommsConfigBase). After a reload nothing is left of it: the
 * rows without an ack become `isSendFailure` (collections.js), and only `resendMsg` sends them.
 */
define("WAWebSandboxOutbox", (exports, require) => {
  const pending = new Map();

  const transmit = ({ stanza }) => require("WAWebSandboxWire").send("msg", stanza);

  // A second stanza with the same id takes the place of the first, whose promise then never settles.
  exports.sendStanza = (stanza) => new Promise((resolve, reject) => {
    const entry = { stanza, resolve, reject };
    pending.set(stanza.id, entry);
    transmit(entry);
  });

  // `local_error` makes the page fail where no server could make it fail (state/faults.py).
  exports.receiveAck = ({ id, t, error, local_error }) => {
    const entry = pending.get(id);
    if (!entry) return;
    pending.delete(id);
    if (local_error && local_error !== "after_ack") entry.reject(createLocalError(local_error));
    else entry.resolve({ t, error, local_error });
  };

  function createLocalError(kind) {
    const { ServerStatusCodeError } = require("WAWebBackendErrors");
    if (kind === "server_status") return new ServerStatusCodeError(500, "device list sync failed");
    return new Error(kind === "before_ack" ? "encryption failed" : "Invalid ack from server");
  }

  exports.sendAll = () => [...pending.values()].forEach(transmit);
});

define("WAWebBackendErrors", (exports) => {
  exports.ServerStatusCodeError = class ServerStatusCodeError extends Error {
    constructor(status, text) {
      super(text);
      this.name = "ServerStatusCodeError";
      this.status = status;
    }
  };
});
