/*
 * The driver of whatsapp-web.js, as a caller who has read its guide would use it. It may not judge, nor
 * reach behind the client's public interface.
 */
"use strict";

const { Client, LocalAuth, Location, MessageMedia, Poll } = require("whatsapp-web.js");

const { emit, idOf, remember, serve } = require("../lines.js");

let client;
const sent = new Map(); // the messages of this client, by id

function listen() {
  client.on("qr", (qr) => emit("qr", { qr }));
  client.on("code", (code) => emit("code", { code }));
  client.on("ready", () => emit("ready", { me: client.info.wid.user }));
  client.on("disconnected", (reason) => emit("disconnected", { reason: String(reason) }));
  client.on("change_state", (state) => emit("state", { state: String(state) }));
  client.on("message_ack", (message, ack) => emit("ack", { id: message.id.id, ack }));
  client.on("message", async (message) => {
    const quoted = message.hasQuotedMsg ? await message.getQuotedMessage() : null;
    sent.set(idOf(message.id), message);
    emit("message", {
      id: idOf(message.id), from: message.from, body: message.body, quoted: quoted && quoted.body,
    });
  });
}

const resolve = remember(async (number) => {
  const id = await client.getNumberId(number);
  if (!id) throw new Error(`${number} is not on WhatsApp`);
  return id._serialized;
});

async function send(number, content, options = {}) {
  const message = await client.sendMessage(await resolve(number), content, {
    waitUntilMsgSent: true, ...options,
  });
  if (!message) throw new Error("sendMessage answered undefined");
  sent.set(idOf(message.id), message);
  return idOf(message.id);
}

const file = (path) => MessageMedia.fromFilePath(path);

const contents = {
  text: ({ to, text }) => send(to, text),
  mention: async ({ to, text, mentioned }) => send(to, text, { mentions: [await resolve(mentioned)] }),
  reply: ({ to, text, quoted }) => send(to, text, { quotedMessageId: quoted, ignoreQuoteErrors: false }),
  location: ({ to, lat, lng, name }) => send(to, new Location(lat, lng, { name })),
  contact: async ({ to, contact }) => send(to, await client.getContactById(`${contact}@c.us`)),
  vcard: ({ to, vcard }) => send(to, vcard),
  poll: ({ to, name, options }) => send(to, new Poll(name, options)),
  image: ({ to, path, caption }) => send(to, file(path), { caption }),
  document: ({ to, path }) => send(to, file(path), { sendMediaAsDocument: true }),
  audio: ({ to, path }) => send(to, file(path)),
  voice: ({ to, path }) => send(to, file(path), { sendAudioAsVoice: true }),
  video: ({ to, path, caption }) => send(to, file(path), { caption }),
  sticker: ({ to, path }) => send(to, file(path), { sendMediaAsSticker: true }),
};

serve({
  async open({ profile, executable, browser_args: args, phone }) {
    client = new Client({
      authStrategy: new LocalAuth({ dataPath: profile }),
      webVersionCache: { type: "none" },
      puppeteer: { executablePath: executable, args, headless: true },
      ...(phone ? { pairWithPhoneNumber: { phoneNumber: phone } } : {}),
    });
    listen();
    client.initialize().catch((error) => emit("failed", { reason: String(error) }));
  },
  send: ({ kind, ...fields }) => contents[kind](fields),
  react: ({ id, emoji }) => sent.get(id).react(emoji),
  edit: async ({ id, text }) => {
    if (!(await sent.get(id).edit(text))) throw new Error("edit answered null");
  },
  revoke: ({ id }) => sent.get(id).delete(true),
  forward: async ({ id, to }) => sent.get(id).forward(await resolve(to)),
  is_on_whatsapp: ({ number }) => client.isRegisteredUser(`${number}@c.us`),
  message_body: async ({ id }) => (await client.getMessageById(id)).body,
  seen: async ({ from }) => client.sendSeen(await resolve(from)),
  typing: async ({ to }) => (await client.getChatById(await resolve(to))).sendStateTyping(),
  chats: async () => (await client.getChats()).length,
  state: () => client.getState(),
  logout: () => client.logout(),
  close: () => client && client.destroy(),
});
