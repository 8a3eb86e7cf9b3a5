"use strict";

/*
 * A small WhatsApp Web: modules under their real names, with the behaviour that clients rely on.
 *
 * The files of modules/ are joined after this one into one script (site.py has the order). They say
 * what is WhatsApp's and what is made up; names with `Sandbox` are made up. Clients look up a module
 * by what it exports, and the first match wins: a property may not appear in a module that comes
 * before its real owner.
 */
/*
 * SETTINGS comes from site.py, which writes it before this file. With the fault `remove_module`, it names a
 * module, or one export of a module, that the page leaves out.
 */
function isRemoved(id) {
  return SETTINGS.removed === id;
}

function removeExport(id, exports) {
  const [module, name] = (SETTINGS.removed || "").split(".");
  if (module === id && name) delete exports[name];
}

function define(id, fill) {
  if (isRemoved(id)) return;
  __d(id, [], (global, require, importDefault, importNamespace, requireLazy, module, exports) => {
    fill(exports, require);
    removeExport(id, exports);
  });
}

function defineCommonJs(id, create) {
  if (isRemoved(id)) return;
  __d(id, [], (global, require, importDefault, importNamespace, requireLazy, module) => {
    module.isCommonJs = true;
    module.exports = create(require);
  });
}

/* Functions that a client expects or wraps, and whose result never matters here. */
function defineStubs(id, names, result) {
  define(id, (exports) => {
    for (const name of names) exports[name] = () => result;
  });
}

function delay(milliseconds) {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds); });
}

/* An enum of WhatsApp in which each value is its own name. */
function buildEnum(...names) {
  return Object.fromEntries(names.map((name) => [name, name]));
}
