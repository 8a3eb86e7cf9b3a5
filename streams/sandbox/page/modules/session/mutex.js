/*
 * The tab mutex: of several tabs of one profile, one may connect. It is in localStorage, so it acts within one
 * profile alone. The tab that loses it stops its connection and keeps its stream mode.
 */

/* Source: WAWebUserPrefsTabMutex. */
define("WAWebUserPrefsTabMutex", (exports) => {
  const MUTEX = "whatsapp-mutex";
  const TAKEOVER_OK = "local-takeover-ok";
  const NO_TAKEOVER = "no-takeover";
  const tab = `x${Math.round(Math.random() * 1e9)}`;
  const isOfOtherTab = (event, key) => event.key === key && !(event.newValue || "").includes(tab);

  exports.THIS_TAB = tab;
  exports.getMutex = () => JSON.parse(localStorage.getItem(MUTEX) || "null");
  exports.setMutex = (text) => localStorage.setItem(MUTEX, JSON.stringify(`${tab}:${text}`));
  exports.removeMutex = () => localStorage.removeItem(MUTEX);
  exports.parseMutex = (value) => (value ? String(JSON.parse(value)).split(":").pop() : "");
  exports.mutexFilter = (event) => isOfOtherTab(event, MUTEX);
  exports.takeoverFilter = (event) => isOfOtherTab(event, TAKEOVER_OK);
  exports.currentTabHasMutex = () => (exports.getMutex() || "").includes(tab);
  exports.localTakeoverSuccess = () => {
    localStorage.setItem(TAKEOVER_OK, JSON.stringify({ wa_tab_src: tab }));
    localStorage.removeItem(TAKEOVER_OK);
  };
  exports.setNoTakeover = () => sessionStorage.setItem(NO_TAKEOVER, "true");
  exports.getNoTakeover = () => sessionStorage.getItem(NO_TAKEOVER) !== null;
});

/* Sources: WAWebAppMutex, WAWebAppMutexCore, WAWebApp.react. */
define("WAWebAppMutex", (exports, require) => {
  const TAKEOVER_TIMEOUT_MS = 30000;
  const MAX_ATTEMPTS = 3;
  const mutex = require("WAWebUserPrefsTabMutex");
  let ownText = null;

  // True if such an event came in time.
  function waitForStorage(filter, timeoutMs) {
    return new Promise((resolve) => {
      const onStorage = (event) => { if (filter(event)) finish(true); };
      const timer = setTimeout(() => finish(false), timeoutMs);
      function finish(result) {
        clearTimeout(timer);
        window.removeEventListener("storage", onStorage);
        resolve(result);
      }
      window.addEventListener("storage", onStorage);
    });
  }

  async function isOtherTabAlive() {
    if (!mutex.getMutex()) return false;
    const answer = waitForStorage(mutex.mutexFilter, SETTINGS.mutex_ping_ms);
    mutex.setMutex(`ping${Math.random()}`);
    return answer;
  }

  async function takeOver() {
    if (!mutex.getMutex()) return;
    const answer = waitForStorage(mutex.takeoverFilter, TAKEOVER_TIMEOUT_MS);
    mutex.setMutex("local-takeover");
    await answer;
    mutex.removeMutex();
  }

  // False: another tab keeps the session, since this one lost it before and was only reloaded.
  async function acquire() {
    const isReload = mutex.getNoTakeover();
    mutex.setNoTakeover();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (!(await isOtherTabAlive())) {
        ownText = `init_${Date.now()}`;
        mutex.setMutex(ownText);
        return true;
      }
      if (isReload) return false;
      await takeOver();
    }
    return false;
  }

  function loseMutex() {
    ownText = null;
    mutex.localTakeoverSuccess();
    require("WAComms").closeSocketAndPreventRetry();
    require("WAWebSandboxScreen").showOtherSession();
  }

  function answerOtherTab(event) {
    if (!mutex.mutexFilter(event)) return;
    const text = mutex.parseMutex(event.newValue);
    if (text === "local-takeover") loseMutex();
    else if (text.startsWith("ping")) mutex.setMutex(`pong${Math.random()}`);
  }

  exports.default = {
    async init() {
      if (!(await acquire())) return false;
      window.addEventListener("storage", answerOtherTab);
      window.addEventListener("beforeunload", exports.default.unloadMutex);
      return true;
    },
    unloadMutex() {
      if (ownText !== null && (mutex.getMutex() || "").includes(ownText)) mutex.removeMutex();
    },
  };
});
