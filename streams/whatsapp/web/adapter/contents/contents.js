/*
 * What wa-js is called with for each kind of content, and the files that wait for their message.
 * Whatever can refuse a message is checked here, before WhatsApp's function is called.
 */
(shared) => {
  "use strict";

  const {
    WPP, functions, AdapterError, buildKey, findMessage, sendReaction, isChange, requireChanged, sendMessageChange,
  } = shared;

  /* ---------- media: chunks of base64, or a file on disk, that become one file ---------- */

  const mediaChunks = new Map();

  function add_media_chunk({ token, data }) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    if (!mediaChunks.has(token)) mediaChunks.set(token, []);
    mediaChunks.get(token).push(bytes);
    return {};
  }

  const mediaInputs = new Map(); // input elements, each with a file that is read from disk only when it is needed

  function media_input({ token }) {
    const input = Object.assign(document.createElement("input"), { type: "file" });
    mediaInputs.set(token, input);
    return input;
  }

  function drop_media({ token }) {
    mediaChunks.delete(token);
    mediaInputs.delete(token);
    return {};
  }

  function buildFile({ id, content }) {
    const type = content.mime || "application/octet-stream";
    const input = mediaInputs.get(id);
    return new File(input ? [...input.files] : mediaChunks.get(id) || [], content.filename || `${content.type}`, { type });
  }

  /* ---------- options ---------- */

  const BASE_OPTIONS = { markIsRead: false, linkPreview: false, detectMentioned: false };

  const refuse = (message) => new AdapterError("content_refused", message);

  // A message that somebody refers to need not be loaded, and may be anybody's.
  async function requireMessage({ chat_id }, id) {
    const message = await findMessage(id, chat_id, { isOwn: false });
    if (message) return message;
    throw refuse("the message it refers to is not in this chat");
  }

  async function requireQuotable(submission) {
    const message = await requireMessage(submission, submission.reply_to);
    if (!functions.canReplyMsg || functions.canReplyMsg(message)) return message;
    throw refuse("the message cannot be quoted");
  }

  async function buildOptions(chat, submission) {
    const { type, message_id } = submission.content;
    if (!SENDERS[type]) throw refuse(`unknown content type ${type}`);
    if (type === "reaction") return { message: await requireMessage(submission, message_id) };
    if (isChange(type)) return { message: await requireChanged(submission) };
    const options = { ...BASE_OPTIONS, messageId: buildKey(chat.id, submission.id), waitForAck: true };
    if (submission.reply_to) options.quotedMsg = await requireQuotable(submission);
    return options;
  }

  /* ---------- one sender for each kind of content ---------- */

  // Every character at which some program ends a line, and all that no text of a card may have.
  const LINE_BREAKS = /\r\n|[\n\v\f\r\x85\u2028\u2029]/g;
  const CONTROLS = /[\0-\x08\x0e-\x1f\x7f-\x9f]/g;

  const escapeVcard = (text) => String(text)
    .replace(/[\\;,]/g, "\\$&").replace(LINE_BREAKS, "\\n").replace(CONTROLS, "");

  const toOneLine = (text) => text && String(text).replace(LINE_BREAKS, " ").replace(CONTROLS, "");

  function buildVcard({ name, phones }) {
    const escapedName = escapeVcard(name);
    const numbers = phones.map((phone) => {
      const digits = phone.replace(/\D/g, "");
      return `TEL;type=CELL;waid=${digits}:+${digits}`;
    });
    const head = ["BEGIN:VCARD", "VERSION:3.0", `N:;${escapedName};;;`, `FN:${escapedName}`];
    return [...head, ...numbers, "END:VCARD"].join("\n");
  }

  const sendText = (chat, { content }, options) =>
    WPP.chat.sendTextMessage(chat.id, content.body, options);

  // WhatsApp's text of a place is its name, a line break and its address.
  const sendLocation = (chat, { content }, options) => WPP.chat.sendLocationMessage(chat.id, {
    ...options, lat: content.latitude, lng: content.longitude,
    name: toOneLine(content.name), address: content.address,
  });

  const sendContact = (chat, { content }, options) => WPP.chat.sendRawMessage(chat.id, {
    type: "vcard", body: buildVcard(content), vcardFormattedName: toOneLine(content.name),
  }, options);

  const sendPoll = (chat, { content }, options) => WPP.chat.sendCreatePollMessage(
    chat.id, content.question, content.options,
    { ...options, selectableCount: content.multiple ? 0 : 1 },
  );

  function sendEmoji(chat, { content }, { message }, attempt) {
    const emoji = content.emoji || "";
    const call = () => WPP.chat.sendReactionToMessage(message, emoji || false);
    return sendReaction(attempt, message.id.id, emoji, call);
  }

  // A file on disk that cannot be read, or has changed since it was chosen, is chosen again with the next attempt.
  function getFileCode(error) {
    if (error && error.name === "NotReadableError") return "media_upload_failed";
    return error && error.code === "file_too_large" ? "media_too_large" : "media_rejected";
  }

  // wa-js compares the size with WhatsApp's limit for the kind, and prepares the file. A file that is too
  // large, or that WhatsApp cannot prepare, is refused for good; a TypeError is a fault of the page.
  async function sendFile(chat, submission, options) {
    const { content } = submission;
    try {
      return await WPP.chat.sendFileMessage(chat.id, buildFile(submission), {
        ...options, type: content.type, caption: content.caption, filename: content.filename,
        mimetype: content.mime, isPtt: Boolean(content.voice),
      });
    } catch (error) {
      if (error instanceof TypeError || error instanceof AdapterError) throw error;
      throw new AdapterError(getFileCode(error), String((error && error.message) || error));
    }
  }

  const SENDERS = {
    text: sendText,
    image: sendFile,
    video: sendFile,
    audio: sendFile,
    document: sendFile,
    sticker: sendFile,
    location: sendLocation,
    contact: sendContact,
    poll: sendPoll,
    reaction: sendEmoji,
    edit: sendMessageChange,
    revoke: sendMessageChange,
  };

  const sendContent = (chat, submission, options, attempt, isRepeated) =>
    SENDERS[submission.content.type](chat, submission, options, attempt, isRepeated);

  /* ---------- a stored file ---------- */

  // WhatsApp stores a message without its file. After a reload, its "try again" would send the record as it
  // is, also if the file was never uploaded, and the recipient could not open it (source:
  // WAWebMsgModel.resumeRemoteUpload). With `local` it uploads the file, which must be prepared again; a
  // file that came out differently does not belong to the message, and then the upload fails.
  async function restoreFile(model, submission) {
    const { OpaqueData, MediaPrep } = WPP.whatsapp;
    model.local = true;
    if (model.mediaObject.mediaBlob) return;
    const file = buildFile(submission);
    const { type, voice } = submission.content;
    const options = { asDocument: type === "document", asSticker: type === "sticker", isPtt: Boolean(voice) };
    if (type === "image") options.maxDimension = 1600; // as wa-js does
    const data = await OpaqueData.createFromData(file, file.type);
    const { mediaBlob, filehash } = await MediaPrep.prepRawMedia(data, options).waitForPrep();
    if (filehash !== model.mediaObject.filehash) return;
    const isOpaque = mediaBlob instanceof OpaqueData;
    const blob = isOpaque ? mediaBlob : await OpaqueData.createFromData(mediaBlob, mediaBlob.type);
    model.mediaObject.consolidate({ mediaBlob: blob });
  }

  return {
    calls: { add_media_chunk, drop_media },
    elements: { media_input },
    internal: { buildOptions, sendContent, restoreFile, dropMedia: drop_media },
  };
}
