// Parses the AsyncAPI document named on the standard input with the official parser; prints its
// diagnostics, and for each message whether its payload and its headers were resolved.
import { readFileSync } from "node:fs";
import { Parser, fromFile } from "@asyncapi/parser";

const { file } = JSON.parse(readFileSync(0, "utf8"));
const { document, diagnostics } = await fromFile(new Parser(), file).parse();
const messages = (document?.allMessages().all() ?? []).map((message) => [
  message.name(),
  { payload: message.payload()?.title() ?? null, headers: message.headers()?.type() ?? null },
]);
console.log(JSON.stringify({ diagnostics, messages: Object.fromEntries(messages) }));
