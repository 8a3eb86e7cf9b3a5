/*
 * Groups: who is in which, what the page knows of them, and what their members report of a message. The
 * server tells of each group at each connection, and of each change. Nothing here may send a message.
 */

/* Source: WAWebGroupParticipantCollection. */
define("WAWebGroupParticipantCollection", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");

  class GroupParticipantCollection extends require("WAWebBaseCollection").BaseCollection {
    getMeParticipant() {
      const { isMeAccount } = require("WAWebUserPrefsMeUser");
      return this.findFirst(({ id }) => isMeAccount(id));
    }

    iAmMember() { return Boolean(this.getMeParticipant()); }

    iAmAdmin() {
      const me = this.getMeParticipant();
      return Boolean(me) && me.isAdmin === true;
    }
  }
  GroupParticipantCollection.model = defineModel(
    class GroupParticipant extends BaseModel {}, "participant", { id: undefined, isAdmin: false },
  );
  exports.default = GroupParticipantCollection;
});

define("WAWebGroupMetadataModel", (exports, require) => {
  const { BaseModel, defineModel } = require("WAWebBaseModel");

  class GroupMetadataModel extends BaseModel {
    initialize() { this.participants = new (require("WAWebGroupParticipantCollection").default)(); }

    isSuspendedOrTerminated() { return Boolean(this.suspended || this.terminated); }
  }

  exports.default = defineModel(GroupMetadataModel, "group-metadata", {
    id: undefined, subject: undefined, announce: false, size: 0, stale: true, suspended: false,
    terminated: false, isLidAddressingMode: true, isParentGroup: false, groupType: "DEFAULT",
  });
});

/* What is stale is asked of the server (sources: WAWebFindGroupMetadataAction, WAWebStaleBaseCollection). */
define("WAWebGroupMetadataCollection", (exports, require) => {
  class GroupMetadataCollection extends require("WAWebBaseCollection").BaseCollection {
    _handleParentGroupChange() {}

    async find(id) {
      const metadata = this.get(id);
      if (metadata && !metadata.stale) return metadata;
      return require("WAWebSandboxGroups").queryGroup(id);
    }
  }
  GroupMetadataCollection.model = require("WAWebGroupMetadataModel").default;
  exports.default = new GroupMetadataCollection();
});

define("WAWebSandboxGroups", (exports, require) => {
  const getMetadata = () => require("WAWebGroupMetadataCollection").default;

  function updateMetadata({ id, subject, announce, participants }) {
    const { createWid } = require("WAWebWidFactory");
    const metadata = getMetadata().gadd(createWid(id));
    metadata.set({ subject, announce, size: participants.length, stale: false });
    metadata.participants.reset();
    metadata.participants.add(participants.map(({ id: wid, isAdmin }) => ({ id: createWid(wid), isAdmin })));
    return metadata;
  }

  // The chat of a group stays when the account has left it.
  exports.receiveGroup = async ({ group }) => {
    const metadata = updateMetadata(group);
    const { ChatCollection } = require("WAWebChatCollection");
    if (!ChatCollection.get(metadata.id)) {
      await require("WAWebSandboxStorage").put("chat", { id: group.id, t: 0 });
      ChatCollection.add({ id: metadata.id });
    }
    const chat = ChatCollection.get(metadata.id);
    chat.set({ name: group.subject, groupMetadata: metadata });
  };

  exports.queryGroup = async (id) => {
    const answer = await require("WAWebSandboxWire").request("group", { wid: String(id) });
    if (answer.group) return updateMetadata(answer.group);
    const { ServerStatusCodeError } = require("WAWebBackendErrors");
    throw new ServerStatusCodeError(answer.error, "the group cannot be read");
  };
});

/*
 * A message to a group has an ack when all members have it (source: WAWebMessageReceiptBatcher). wa-js wraps
 * this function, so it may be called through the module object alone.
 */
define("WAWebHandleGroupChatReceipt", (exports, require) => {
  function countOthers(groupId) {
    const metadata = require("WAWebGroupMetadataCollection").default.get(groupId);
    const { isMeAccount } = require("WAWebUserPrefsMeUser");
    return metadata ? metadata.participants.filter(({ id }) => !isMeAccount(id)).length : Infinity;
  }

  const ACKS = { delivery: 2, read: 3, played: 4 };

  // Whoever has read the message has it.
  function findAck(receipts, others) {
    const levels = Object.entries(receipts).flatMap(([name, times]) =>
      Object.keys(times).map((participant) => [participant, ACKS[name]]));
    const countFrom = (ack) =>
      new Set(levels.filter(([, level]) => level >= ack).map(([participant]) => participant)).size;
    return [4, 3, 2].find((ack) => countFrom(ack) >= others) || 0;
  }

  async function applyReceipt(key, { ackString, participant, ts }) {
    const others = countOthers(key.remote);
    const changes = await require("WAWebDBUpdateMessageTable").changeRow(key, (row) => {
      const times = { [participant]: ts, ...(row.receipts && row.receipts[ackString]) };
      const receipts = { ...row.receipts, [ackString]: times };
      return { receipts, ack: Math.max(row.ack, findAck(receipts, others)) };
    });
    const model = require("WAWebMsgCollection").MsgCollection.get(key);
    if (changes && model && model.ack < changes.ack) model.ack = changes.ack;
  }

  exports.handleGroupSimpleReceipt = async (receipt) => {
    const MsgKey = require("WAWebMsgKey");
    const { getMeUserMatchingAddressingModeOrThrow } = require("WAWebUserPrefsMeUser");
    const me = getMeUserMatchingAddressingModeOrThrow(receipt.participant);
    for (const id of receipt.externalIds) {
      await applyReceipt(new MsgKey({ fromMe: true, remote: receipt.from, id, participant: me }), receipt);
    }
  };
});
