/*
 * Groups: whether this account may write to one, and which there are. A group is its own chat; it has no
 * number to look up. Nothing here may send a message, join a group or leave one.
 */
(shared) => {
  "use strict";

  const { WPP, AdapterError, missing, requireConnection } = shared;

  const MAX_LISTED = 1000;
  const MAX_SUBJECT = 200;

  const store = WPP.whatsapp.GroupMetadataStore;
  if (!store) missing.add("GroupMetadataCollection");

  const buildWid = (chatId) => WPP.whatsapp.WidFactory.createWid(chatId);
  const isGroup = (chatId) => chatId.endsWith("@g.us"); // also of what is no id at all
  const getMetadata = (wid) => (store ? store.get(wid) : null);

  /* ---------- the account in a group ---------- */

  // Null, or why the account cannot write there. In one turn, because the gate calls it in that of a submit.
  function findProblem(metadata) {
    if (!metadata || !metadata.participants.iAmMember()) {
      return ["not_in_group", "the account is not a member of the group"];
    }
    if (metadata.suspended || metadata.terminated) {
      return ["not_in_group", "WhatsApp has closed the group"];
    }
    if (metadata.announce && !metadata.participants.iAmAdmin()) {
      return ["group_admins_only", "only administrators may write to the group"];
    }
    return null;
  }

  const findGroupProblem = (chat) => (chat && chat.id.isGroup() ? findProblem(getMetadata(chat.id)) : null);

  // The ids under which this account can be the author of a message: the group's own form first (source:
  // WAWebLidMigrationUtils.getMeUserLidOrJidForChat).
  function listAuthors(wid) {
    const { UserPrefs } = WPP.whatsapp;
    const lid = UserPrefs.getMeLidUserOrThrow();
    const phone = UserPrefs.getMaybeMePnUser();
    const metadata = getMetadata(wid);
    const usesPhones = Boolean(metadata) && metadata.isLidAddressingMode === false;
    return (usesPhones ? [phone, lid] : [lid, phone]).filter(Boolean);
  }

  function listMembers(wid) {
    const metadata = getMetadata(wid);
    return metadata ? metadata.participants.map(({ id }) => id) : [];
  }

  // The server answers for members alone. Any other error says nothing about the group (source:
  // WAWebGroupQueryJob).
  const NOT_A_MEMBER = new Set([401, 403, 404, 410]);

  function describeError(error) {
    const code = error && NOT_A_MEMBER.has(Number(error.status)) ? "not_in_group" : "lookup_failed";
    return new AdapterError(code, `the group cannot be read: ${String(error && error.message)}`);
  }

  // What is out of date is read again. Throws if the account cannot write to the group.
  async function requireWritable(chatId) {
    if (!store) throw new AdapterError("page_incomplete", "WhatsApp Web does not show its groups");
    const wid = buildWid(chatId);
    try {
      await store.find(wid);
    } catch (error) {
      throw describeError(error);
    }
    const problem = findProblem(getMetadata(wid));
    if (problem) throw new AdapterError(...problem);
  }

  /* ---------- calls ---------- */

  const isListed = (chat) => chat.id.isGroup() && Boolean(getMetadata(chat.id));

  // From memory alone: a request for each group would look like a robot. A group of which the page has not
  // read the members yet is listed with `can_write` null.
  function describeGroup(chat) {
    const metadata = getMetadata(chat.id);
    const members = metadata.participants.length;
    const isUnread = members === 0 && Boolean(metadata.stale);
    const subject = String(metadata.subject || chat.name || "").slice(0, MAX_SUBJECT);
    return {
      id: String(chat.id), subject, size: members || Number(metadata.size) || 0,
      can_write: isUnread ? null : findProblem(metadata) === null,
    };
  }

  async function list_groups() {
    requireConnection();
    if (!store) throw new AdapterError("page_incomplete", "WhatsApp Web does not show its groups");
    const chats = WPP.whatsapp.ChatStore.getModelsArray().filter(isListed);
    return { groups: chats.slice(0, MAX_LISTED).map(describeGroup), is_complete: chats.length <= MAX_LISTED };
  }

  return {
    calls: { list_groups },
    internal: { isGroup, findGroupProblem, listAuthors, listMembers, requireWritable },
  };
}
