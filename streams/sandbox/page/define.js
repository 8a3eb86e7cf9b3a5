"use strict";

/*
 * WhatsApp Web in small: modules under the real names, with the behaviour that clients rely on.
 *
 * What is WhatsApp's and what is made up is said where it matters; names with `Sandbox` are ours.
 * Clients look modules up by what they export, the first that fits wins: no property may appear in a
 * module that comes before its real owner.
 */
function define(id, fill) {
  __d(id, [], (global, require, importDefault, importNamespace, requireLazy, module, exports) => {
    fill(exports, require);
  });
}

function defineCommonJs(id, make) {
  __d(id, [], (global, require, importDefault, importNamespace, requireLazy, module) => {
    module.isCommonJs = true;
    module.exports = make(require);
  });
}

/* Functions that a client expects to find, or wraps, and that never matter here. */
function defineIdle(id, names, answer) {
  define(id, (exports) => {
    for (const name of names) exports[name] = () => answer;
  });
}
