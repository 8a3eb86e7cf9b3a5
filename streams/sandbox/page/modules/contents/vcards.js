/*
 * Contact cards: a contact becomes a vCard, and a vCard is read. Nothing here sends.
 */

/* Source: WAWebFrontendVcardUtils. The number stands behind `TEL`, also for a chat whose id is a LID. */
define("WAWebFrontendVcardUtils", (exports, require) => {
  const escapeText = (text) => String(text || "").replace(/[\\;,]/g, "\\$&");

  function getPhoneWid(contact) {
    return contact.id.isLid() ? require("WAWebApiContact").getPhoneNumber(contact.id) : contact.id;
  }

  exports.vcardFromContactModel = (contact) => {
    const { getDisplayName } = require("WAWebFrontendContactGetters");
    const displayName = escapeText(getDisplayName(contact));
    const phone = getPhoneWid(contact);
    const lines = [
      "BEGIN:VCARD", "VERSION:3.0", `N:;${displayName};;;`, `FN:${displayName}`,
      ...(phone ? [`TEL;type=CELL;waid=${phone.user}:+${phone.user}`] : []),
      ...(contact.isBusiness ? [`X-WA-BIZ-NAME:${displayName}`] : []),
      "END:VCARD",
    ];
    return { displayName, vcard: lines.join("\n"), isMultiVcard: false };
  };
});

/*
 * Source: WAWebVcardParsingUtils. The result has a list of fields for each name; what has no header or no end
 * is undefined.
 */
define("WAWebVcardParsingUtils", (exports) => {
  const VERSIONS = new Set(["VERSION:2.1", "VERSION:3.0", "VERSION:4.0"]);
  const STRUCTURED = new Set(["N", "ADR", "ORG"]);

  function parseProperties(text) {
    const properties = {};
    for (const part of text.split(";").filter(Boolean)) {
      const [name, value] = part.toLowerCase().split("=");
      (properties[name] ||= []).push(value === undefined ? true : value);
    }
    return properties;
  }

  function parseField(line, index) {
    const parts = /^(?:item\d+\.)?([^:;]+)((?:;[^:;]+)*):(.+)$/.exec(line);
    if (!parts) return null;
    const [, name, properties, value] = parts;
    return {
      type: name.replace(/^X-/, ""), index, properties: parseProperties(properties),
      value: STRUCTURED.has(name) ? value.split(";") : value,
    };
  }

  // What the standard does not name, as `X-WA-BIZ-NAME`, is a service.
  const getKey = (line, { type }) => (/^(?:item\d+\.)?X-/.test(line) ? "SERVICE" : type);

  function isCard(lines) {
    const [first, version] = lines.map((line) => line.trim().toUpperCase());
    const last = lines[lines.length - 1].trim().toUpperCase();
    return first === "BEGIN:VCARD" && VERSIONS.has(version) && last === "END:VCARD";
  }

  exports.parseVcard = (text) => {
    const unfolded = String(text).replace(/\r\n?/g, "\n").replace(/\n[ \t]/g, "");
    const lines = unfolded.split("\n").filter((line) => line.trim());
    if (lines.length < 3 || !isCard(lines)) return undefined;
    const card = {};
    lines.slice(2, -1).forEach((line, index) => {
      const field = parseField(line, index + 2);
      if (field) (card[getKey(line, field)] ||= []).push(field);
    });
    return card;
  };
});

define("WAWebVcardGetNameFromParsed", (exports) => {
  exports.vcardGetNameFromParsed = ({ FN, NICKNAME, TEL }) => {
    if (FN) return FN[0].value;
    if (NICKNAME) return NICKNAME[0].value;
    return TEL ? TEL[0].value : null;
  };
});
