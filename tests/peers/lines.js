/*
 * The protocol between the runner (process.py) and a driver in Node: one JSON object a line. No client's
 * call may be in this file.
 *
 *     runner → driver   {"n": 1, "call": "send", "args": {…}}
 *     driver → runner   @peer {"n": 1, "value": …} or {"n": 1, "error": "…"}
 *                       @peer {"event": "ack", …}
 *
 * A client may print what it wants: only lines that begin with @peer are the driver's. When the runner
 * closes its end, the driver closes the client and exits.
 */
"use strict";

const readline = require("node:readline");

function print(message) {
  process.stdout.write(`\n@peer ${JSON.stringify(message)}\n`);
}

/** Tell the runner what the client reported by itself. */
exports.emit = (event, fields) => print({ event, ...fields });

function describe(error) {
  if (error instanceof Error) return `${error.name}: ${error.message}`.split("\n")[0];
  if (typeof error === "object") return JSON.stringify(error);
  return String(error);
}

async function answer(calls, { n, call, args }) {
  try {
    if (!calls[call]) throw new Error(`the driver has no call ${call}`);
    print({ n, value: (await calls[call](args)) ?? null });
  } catch (error) {
    print({ n, error: describe(error) });
  }
}

/** Answer the runner's calls until it closes its end. `calls.close` ends the client. */
exports.serve = (calls) => {
  // A client that throws beside a call must not end the driver: the call that it breaks is judged.
  process.on("unhandledRejection", (error) => console.error("unhandled rejection:", error));
  process.on("uncaughtException", (error) => console.error("uncaught exception:", error));
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => void answer(calls, JSON.parse(line)));
  lines.on("close", async () => {
    await answer(calls, { n: 0, call: "close", args: {} });
    process.exit(0);
  });
};

/** The text of a message's id, as the client writes it. */
exports.idOf = (id) => (typeof id === "string" ? id : (id && (id._serialized || id.id)) || String(id));

/** Look each number up once, as a caller would: its chat does not change. */
exports.remember = (lookUp) => {
  const ids = new Map();
  return async (number) => {
    if (!ids.has(number)) ids.set(number, await lookUp(number));
    return ids.get(number);
  };
};
