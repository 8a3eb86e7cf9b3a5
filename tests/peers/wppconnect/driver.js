/*
 * The driver of WPPConnect, as a caller who has read its guide would use it. It may not judge, nor reach
 * behind the client's public interface.
 */
"use strict";

const fs = require("node:fs");

const wppconnect = require("@wppconnect-team/wppconnect");

const { emit, idOf, remember, serve } = require("../lines.js");

let client;
// A code that is scanned before the client waits for it is overlooked: it needs a person, who is slower.
let onWaiting;
const isWaiting = new Promise((resolve) => { onWaiting = resolve; });

const bareId = (id) => (id && id.id) || String(id).split("_")[2];

function listen() {
  client.onAck((message) => emit("ack", { id: bareId(message.id), ack: message.ack }));
  client.onStateChange((state) => emit("state", { state: String(state) }));
  client.onMessage((message) => emit("message", {
    id: idOf(message.id), from: message.from, body: message.body,
    quoted: message.quotedMsg ? message.quotedMsg.body : null,
  }));
}

const resolve = remember(async (number) => {
  const status = await client.checkNumberStatus(`${number}@c.us`);
  if (!status.numberExists) throw new Error(`${number} is not on WhatsApp`);
  return idOf(status.id);
});

const sent = (message) => idOf(message.id);

const contents = {
  text: async ({ to, text }) => sent(await client.sendText(await resolve(to), text)),
  mention: async ({ to, text, mentioned }) =>
    sent(await client.sendMentioned(await resolve(to), text, [await resolve(mentioned)])),
  reply: async ({ to, text, quoted }) => sent(await client.reply(await resolve(to), text, quoted)),
  location: async ({ to, lat, lng, name }) =>
    sent(await client.sendLocation(await resolve(to), { lat, lng, name })),
  contact: async ({ to, contact, name }) =>
    sent(await client.sendContactVcard(await resolve(to), await resolve(contact), name)),
  poll: async ({ to, name, options }) =>
    sent(await client.sendPollMessage(await resolve(to), name, options)),
  image: async ({ to, path, caption }) =>
    sent(await client.sendImage(await resolve(to), path, "picture.png", caption)),
  document: async ({ to, path }) => sent(await client.sendFile(await resolve(to), path, { type: "document" })),
  audio: async ({ to, path }) =>
    sent(await client.sendFile(await resolve(to), path, { type: "audio", isPtt: false })),
  voice: async ({ to, path }) => sent(await client.sendPtt(await resolve(to), path)),
  video: async ({ to, path, caption }) =>
    sent(await client.sendFile(await resolve(to), path, { type: "video", caption })),
  sticker: async ({ to, path }) => sent(await client.sendImageAsSticker(await resolve(to), path)),
};

serve({
  async open({ profile, executable, browser_args: browserArgs, phone }) {
    fs.mkdirSync(profile, { recursive: true });
    const created = wppconnect.create({
      session: "peer", autoClose: 0, updatesLog: false, disableWelcome: true, logQR: false,
      useChrome: false, headless: true, browserArgs, whatsappVersion: "",
      puppeteerOptions: { executablePath: executable, userDataDir: profile },
      catchQR: (_image, _text, _attempt, qr) => isWaiting.then(() => emit("qr", { qr })),
      catchLinkCode: (code) => isWaiting.then(() => emit("code", { code })),
      statusFind: (status) => {
        emit("state", { state: status });
        if (status === "notLogged") onWaiting();
      },
      ...(phone ? { phoneNumber: phone } : {}),
    });
    created.then(async (ready) => {
      client = ready;
      listen();
      emit("ready", { me: String((await client.getWid())).split("@")[0] });
    }).catch((error) => emit("failed", { reason: String(error) }));
  },
  send: ({ kind, ...fields }) => contents[kind](fields),
  react: async ({ id, emoji }) => { await client.sendReactionToMessage(id, emoji); },
  edit: async ({ id, text }) => { await client.editMessage(id, text); },
  revoke: async ({ id, to }) => client.deleteMessage(await resolve(to), id),
  forward: async ({ id, to }) => { await client.forwardMessage(await resolve(to), id); },
  is_on_whatsapp: async ({ number }) => (await client.checkNumberStatus(`${number}@c.us`)).numberExists,
  message_body: async ({ id }) => (await client.getMessageById(id)).body,
  typing: async ({ to }) => { await client.startTyping(await resolve(to)); },
  state: () => client.getConnectionState(),
  logout: () => client.logout(),
  close: () => client && client.close(),
});
