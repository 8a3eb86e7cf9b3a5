/*
 * The chats on disk come back at the start of the page: the first ones before the main screen, the others
 * after the offline delivery. Source: WAWebOfflineResumeUtils. Nothing here may send.
 */

define("WAWebSandboxRestore", (exports, require) => {
  const unrestored = new Map();

  function addChat({ id }) {
    unrestored.delete(id);
    const chat = { id: require("WAWebWidFactory").createWid(id) };
    require("WAWebChatCollection").ChatCollection.add(chat);
  }

  exports.isRestored = (chatId) => !unrestored.has(String(chatId));

  exports.restoreChats = async () => {
    const rows = await require("WAWebSandboxStorage").getAll("chat");
    for (const row of rows) unrestored.set(row.id, row);
    rows.slice(0, SETTINGS.restored_before_main).forEach(addChat);
    exports.othersRestored = exports.restoreOthers();
  };

  exports.restoreOthers = async () => {
    await require("WAWebEventsWaitForOfflineDeliveryEnd").waitForOfflineDeliveryEnd();
    if (unrestored.size) await delay(SETTINGS.restore_ms);
    [...unrestored.values()].forEach(addChat);
  };
});
