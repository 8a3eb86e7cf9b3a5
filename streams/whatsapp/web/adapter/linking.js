/*
 * Linking and the end of a link: QR code, pairing code, logout and its reason. No failure here may keep
 * `listen` from answering.
 */
(shared) => {
  "use strict";

  const { WPP, missing, readOrNull, tryRead, loadModule, isAuthenticated, readSocket } = shared;

  const QR_TIMEOUT_MS = 500; // the screen shows a new code a moment after the page has it
  const STORAGE_TIMEOUT_MS = 1500;

  // The page's storage may answer late or never, and `listen` may not wait for it.
  function limitWait(promise, fallback) {
    const timeout = new Promise((resolve) => {
      setTimeout(() => resolve(fallback), STORAGE_TIMEOUT_MS);
    });
    return Promise.race([promise, timeout]);
  }

  /* ---------- the QR code ---------- */

  const readShownCode = () => {
    const element = document.querySelector("[data-ref]");
    return element ? element.dataset.ref : "";
  };

  function waitForShownCode(ref) {
    return new Promise((resolve) => {
      const finish = () => {
        observer.disconnect();
        clearTimeout(timer);
        resolve();
      };
      const observer = new MutationObserver(() => { if (readShownCode().includes(ref)) finish(); });
      const options = { subtree: true, childList: true, attributeFilter: ["data-ref"] };
      observer.observe(document, options);
      const timer = setTimeout(finish, QR_TIMEOUT_MS);
    });
  }

  // The screen has the whole text, in one of three forms (source: WAWebLinkDeviceQrcode). wa-js has
  // four of its fields. An expired code stays on the screen and in `Conn.ref`: while the page is idle, and
  // while it fetches the next codes.
  async function readQr() {
    const ref = readOrNull("Conn", () => WPP.whatsapp.Conn.ref);
    if (!ref || readSocket("state") !== "UNPAIRED") return null;
    if (document.querySelector("[data-ref]") && !readShownCode().includes(ref)) {
      await waitForShownCode(ref);
    }
    const shown = readShownCode();
    if (shown.includes(ref)) return shown;
    const code = await limitWait(WPP.conn.getAuthCode(), null);
    return (code && code.fullCode) || null;
  }

  async function tryReadQr() {
    try {
      return await readQr();
    } catch (error) {
      missing.add("getAuthCode");
      return null;
    }
  }

  /* ---------- codes that nobody scanned ---------- */

  const isIdle = () => readSocket("state") === "UNPAIRED_IDLE";

  let isRefreshed = false;

  // After six codes the page shows none until somebody clicks. wa-js calls a function that is gone, so
  // the click's own function is called (source: WAWebLaunchSocketUtils). True: the page must be
  // reloaded. It is the last means, because a reload also ends a pairing code.
  function refreshIdleCode() {
    if (!isIdle()) {
      isRefreshed = false;
      return false;
    }
    if (pairingCode || isRefreshed) return false;
    isRefreshed = tryRead(() => {
      loadModule("WAWebLaunchSocketUtils").refreshQR();
      return true;
    }) === true;
    return !isRefreshed;
  }

  /* ---------- the pairing code ---------- */

  let pairingCode = null;
  let linkError = null;
  let markStateChanged = () => {};

  function setPairingCode(code) {
    pairingCode = code;
    markStateChanged();
  }

  async function request_pairing_code({ phone }) {
    linkError = null;
    const digits = phone.replace(/\D/g, "");
    const isManaged = Boolean(WPP.whatsapp.LinkDeviceEvents);
    const begin = isManaged ? "startLinkDeviceCodeForPhoneNumber" : "genLinkDeviceCodeForPhoneNumber";
    setPairingCode(await WPP.conn[begin](digits));
    return { code: pairingCode };
  }

  /* ---------- the end of a link ---------- */

  let logoutReason = null;
  let isLogoutStarted = false;

  // Both functions lead to a reload. `logout` is the page's own decision and has a reason. Without one,
  // the server has ended the link: by removing the device (WAWebHandleStreamError), or by refusing the
  // login (WAWebHandleFailure).
  function watchLogout() {
    const { Cmd, Socket } = WPP.whatsapp;
    const { logout: logOut, clearCredentialsAndStoredData: clear } = Socket;
    if (typeof clear !== "function") throw new Error("no clearCredentialsAndStoredData");
    Cmd.on("starting_logout_from_bridge", () => {
      isLogoutStarted = true;
      markStateChanged();
    });
    Socket.logout = function (reason) {
      setLogoutReason(reason || "user_initiated");
      return logOut.apply(this, arguments);
    };
    Socket.clearCredentialsAndStoredData = function (reason) {
      setLogoutReason(reason || (isLogoutStarted ? "device_removed" : "login_rejected"));
      return clear.apply(this, arguments);
    };
  }

  // The first reason counts: what follows from it comes later.
  function setLogoutReason(reason) {
    if (!reason || logoutReason) return;
    logoutReason = String(reason);
    markStateChanged();
  }

  // The logout of wa-js waits for an event of a page that is about to navigate away.
  function logout() {
    WPP.whatsapp.Socket.logout();
    return {};
  }

  // The code that the page before this one put into the address (source: WAWebHandlePreviousLogout).
  function readLogoutCode() {
    return tryRead(() => {
      const code = loadModule("WAWebLogoutReason").getPrevLogoutReasonCode();
      return code === null || code === undefined ? null : String(code);
    });
  }

  // Chromium answers so while another browser has the profile, or the disk is full.
  async function isStorageBroken() {
    try {
      await limitWait(indexedDB.databases(), []);
      return false;
    } catch (error) {
      return true;
    }
  }

  /* ---------- events, and the state ---------- */

  function subscribe(onStateChange) {
    markStateChanged = onStateChange;
    WPP.on("conn.link_code_change", setPairingCode);
    WPP.on("conn.link_code_expired", () => setPairingCode(null));
    WPP.on("conn.link_code_error", (error) => { linkError = String(error); setPairingCode(null); });
    WPP.on("conn.logout_reason", setLogoutReason);
    readOrNull("logout", watchLogout);
  }

  async function readLinking() {
    const leaving = { logging_out: isLogoutStarted || logoutReason !== null, logout_reason: logoutReason };
    if (isAuthenticated()) {
      return {
        ...leaving, qr: null, pairing_code: null, link_error: linkError, idle: false,
        needs_reload: false, logout_code: null, storage_broken: false,
      };
    }
    const needs_reload = refreshIdleCode();
    return {
      ...leaving, needs_reload,
      qr: await tryReadQr(),
      pairing_code: pairingCode,
      link_error: linkError,
      idle: isIdle(),
      logout_code: readLogoutCode(),
      storage_broken: await isStorageBroken(),
    };
  }

  return {
    subscribe, readLinking, isLeaving: () => isLogoutStarted || logoutReason !== null,
    calls: { request_pairing_code, logout },
  };
}
