/* ---------- what a person, or a client that reads the screen, would see ---------- */

define("WAWebSandboxScreen", (exports, require) => {
  const app = document.getElementById("app");

  function element(parent, name, attributes) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.appendChild(made);
    return made;
  }

  // Some clients read the whole code here: `ref,noise,identity,adv,platform`.
  function drawCode() {
    const { ref } = require("WAWebConnModel").Conn;
    const { noise, identity, adv } = require("WAWebSandboxSession").session;
    const code = ref ? { "data-ref": [ref, noise, identity, adv, "1"].join(",") } : {};
    element(element(app, "div", code), "canvas", {
      "aria-label": "Scan this QR code to link a device!", width: 228, height: 228,
    });
  }

  function drawMain() {
    element(element(app, "div", { id: "side" }), "div", { id: "pane-side" });
    element(app, "div", { id: "main" });
  }

  exports.draw = () => {
    app.textContent = "";
    if (require("WAWebUserPrefsLogin").isLoggedIn()) drawMain();
    else drawCode();
  };
});
