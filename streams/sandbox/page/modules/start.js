/* ---------- the start ---------- */

requireLazy(["WAWebBuildConstants", "WAWebSandboxWire"], (build, wire) => {
  window.Debug = { VERSION: build.SANITIZED_VERSION_STR };
  wire.start();
});
