/*
 * The screen: what a person, or a client that reads the document, would see. It may only draw the
 * state that other modules hold.
 */

define("WAWebSandboxScreen", (exports, require) => {
  const app = document.getElementById("app");

  function addElement(parent, name, attributes) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.appendChild(element);
    return element;
  }

  // Some clients read the whole code here: `ref,noise,identity,adv,platform`.
  function drawCode() {
    const { ref } = require("WAWebConnModel").Conn;
    const { noise, identity, adv } = require("WAWebSandboxSession").session;
    const attributes = ref ? { "data-ref": [ref, noise, identity, adv, "1"].join(",") } : {};
    addElement(addElement(app, "div", attributes), "canvas", {
      "aria-label": "Scan this QR code to link a device!", width: 228, height: 228,
    });
  }

  function drawMain() {
    addElement(addElement(app, "div", { id: "side" }), "div", { id: "pane-side" });
    addElement(app, "div", { id: "main" });
  }

  exports.draw = () => {
    app.textContent = "";
    if (require("WAWebUserPrefsLogin").isLoggedIn()) drawMain();
    else drawCode();
  };
});
