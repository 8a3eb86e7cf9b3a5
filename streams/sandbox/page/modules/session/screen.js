/*
 * The screen: what a person, or a client that reads the document, would see. It may only draw the
 * state that other modules hold.
 */

define("WAWebSandboxScreen", (exports, require) => {
  const app = document.getElementById("app");
  // Source: WAWebAppScreen. `temporaryBan` and `serviceUnavailable` come before the mode.
  const state = { temporaryBan: null, serviceUnavailable: false, otherSession: false };

  function addElement(parent, name, attributes, text) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  const getBus = () => require("WAWebBackendEventBus").BackendEventBus;

  // The old code stays under the button. Source: WAWebLinkDeviceQrcode.react.
  function drawCode() {
    const text = require("WAWebSandboxQrText").buildText();
    const code = addElement(app, "div", text ? { "data-ref": text } : {});
    addElement(code, "canvas", {
      "aria-label": "Scan this QR code to link a device!", width: 228, height: 228,
    });
    if (getBus().socketState !== "UNPAIRED_IDLE") return;
    const button = addElement(code, "button", {}, "Click to reload QR code");
    button.addEventListener("click", () => getBus().triggerRefreshQR());
  }

  function drawMain() {
    addElement(addElement(app, "div", { id: "side" }), "div", { id: "pane-side" });
    addElement(app, "div", { id: "main" });
  }

  function drawSyncing() {
    addElement(app, "progress", { max: 100 });
  }

  function drawNotice(text) {
    addElement(app, "div", { role: "alert" }, text);
  }

  function draw() {
    app.textContent = "";
    const { mode } = require("WAWebStreamModel").Stream;
    if (state.temporaryBan) drawNotice(state.temporaryBan.message || "This account can no longer use WhatsApp");
    else if (state.serviceUnavailable) drawNotice("WhatsApp is temporarily unavailable");
    else if (state.otherSession) drawNotice("WhatsApp is open in another window");
    else if (mode === "QR") drawCode();
    else if (mode === "MAIN") drawMain();
    else drawSyncing();
  }

  exports.showOtherSession = () => {
    state.otherSession = true;
    draw();
  };

  exports.start = () => {
    const { Cmd } = require("WAWebCmd");
    require("WAWebStreamModel").Stream.on("change:mode", draw);
    require("WAWebConnModel").Conn.on("change:ref", draw);
    getBus().onSetSocketState(draw);
    Cmd.on("account_temporarily_banned_from_bridge", (ban) => {
      state.temporaryBan = ban.banned ? ban : null;
      draw();
    });
    Cmd.on("service_unavailable_503_from_bridge", () => {
      state.serviceUnavailable = true;
      draw();
    });
    draw();
  };
});
