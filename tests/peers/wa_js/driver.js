/*
 * The driver of bare wa-js: the bundle from npm in a page of Playwright, before any script of the page.
 * It may not judge, nor call anything but `WPP`.
 */
"use strict";

const { chromium } = require("playwright-core");

const { emit, remember, serve } = require("../lines.js");

const URL = "https://web.whatsapp.com/";
const BUNDLE = require.resolve("@wppconnect/wa-js");
// The user agent of a browser that is not headless: the real WhatsApp Web refuses others.
const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36";

let context;
let page;

/* Runs in the page, after the bundle. */
function listen(phone) {
  const emitEvent = (event, fields) => window.peerEvent(event, fields);
  let isCodeRequested = false;
  WPP.on("conn.auth_code_change", async (code) => {
    if (!code) return;
    if (!phone) emitEvent("qr", { qr: code.fullCode });
    else if (!isCodeRequested) {
      isCodeRequested = true;
      try {
        emitEvent("code", { code: await WPP.conn.genLinkDeviceCodeForPhoneNumber(phone) });
      } catch (error) {
        emitEvent("failed", { reason: String(error) });
      }
    }
  });
  // `conn.main_loaded` and `conn.authenticated` wait for an event that WhatsApp Web no longer has, and
  // `conn.main_ready` comes with the QR code.
  WPP.on("conn.stream_mode_changed", (mode) => {
    if (mode !== "MAIN" || !WPP.conn.isAuthenticated()) return;
    emitEvent("ready", { me: WPP.conn.getMyUserId().user });
  });
  WPP.on("conn.logout", () => emitEvent("disconnected", { reason: "logout" }));
  WPP.on("chat.msg_ack_change", ({ ack, ids }) => {
    for (const id of ids) emitEvent("ack", { id: id.id, ack });
  });
  WPP.on("chat.new_message", (message) => {
    if (message.id.fromMe) return;
    emitEvent("message", {
      id: message.id.toString(), from: String(message.from), body: message.body,
      quoted: message.quotedStanzaID || null,
    });
  });
}

/* Run `WPP.<path>(...values)` in the page. A WPPError's code would be lost on its way out. */
const callWpp = (path, ...values) => page.evaluate(async ([path, values]) => {
  const parent = path.split(".").slice(0, -1).reduce((value, name) => value[name], WPP);
  try {
    const answer = await parent[path.split(".").at(-1)](...values);
    if (answer && answer.id && answer.sendMsgResult) {
      const result = await answer.sendMsgResult; // a deletion has a string instead of an object
      const word = result.messageSendResult || result;
      if (word !== "OK") throw new Error(`the page answered ${word}`);
    }
    return answer && answer.id ? { id: String(answer.id), body: answer.body } : { value: answer && answer.wid ? String(answer.wid) : answer };
  } catch (error) {
    throw new Error(error.code ? `${error.code}: ${error.message}` : String(error));
  }
}, [path, values]);

const resolve = remember(async (number) => {
  const { value } = await callWpp("contact.queryExists", `${number}@c.us`);
  if (!value) throw new Error(`${number} is not on WhatsApp`);
  return value;
});

async function send(path, to, ...values) {
  return (await callWpp(`chat.${path}`, await resolve(to), ...values)).id;
}

async function sendFile(to, path, mimetype, options) {
  const data = require("node:fs").readFileSync(path).toString("base64");
  return send("sendFileMessage", to, `data:${mimetype};base64,${data}`, { waitForAck: true, ...options });
}

const WAIT = { waitForAck: true };
const contents = {
  text: ({ to, text }) => send("sendTextMessage", to, text, WAIT),
  mention: async ({ to, text, mentioned }) =>
    send("sendTextMessage", to, text, { ...WAIT, mentionedList: [await resolve(mentioned)] }),
  reply: ({ to, text, quoted }) => send("sendTextMessage", to, text, { ...WAIT, quotedMsg: quoted }),
  location: ({ to, lat, lng, name }) => send("sendLocationMessage", to, { ...WAIT, lat, lng, name }),
  contact: async ({ to, contact, name }) =>
    send("sendVCardContactMessage", to, { id: await resolve(contact), name }, WAIT),
  poll: ({ to, name, options }) => send("sendCreatePollMessage", to, name, options, WAIT),
  image: ({ to, path, mimetype, caption }) => sendFile(to, path, mimetype, { type: "image", caption }),
  document: ({ to, path, mimetype, filename }) => sendFile(to, path, mimetype, { type: "document", filename }),
  voice: ({ to, path, mimetype }) => sendFile(to, path, mimetype, { type: "audio", isPtt: true }),
  video: ({ to, path, mimetype, caption }) => sendFile(to, path, mimetype, { type: "video", caption }),
  sticker: ({ to, path, mimetype }) => sendFile(to, path, mimetype, { type: "sticker" }),
};

serve({
  async open({ profile, executable, browser_args: args, phone }) {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: executable, args, headless: true, userAgent: USER_AGENT,
    });
    [page] = context.pages();
    await page.exposeFunction("peerEvent", (event, fields) => emit(event, fields));
    await page.addInitScript(() => {
      window.WPPConfig = { disableGoogleAnalytics: true, linkPreviewApiServers: [] };
    });
    await page.addInitScript({ path: BUNDLE });
    await page.addInitScript(`(${listen})(${JSON.stringify(phone ?? null)})`);
    await page.goto(URL);
  },
  send: ({ kind, ...fields }) => contents[kind](fields),
  react: async ({ id, emoji }) => { await callWpp("chat.sendReactionToMessage", id, emoji); },
  edit: async ({ id, text }) => { await callWpp("chat.editMessage", id, text); },
  revoke: async ({ id, to }) => { await callWpp("chat.deleteMessage", await resolve(to), id, false, true); },
  is_on_whatsapp: async ({ number }) => Boolean((await callWpp("contact.queryExists", `${number}@c.us`)).value),
  message_body: async ({ id }) => (await callWpp("chat.getMessageById", id)).body,
  state: () => page.evaluate(() => WPP.whatsapp.Socket.state),
  logout: () => callWpp("conn.logout"),
  close: () => context && context.close(),
});
