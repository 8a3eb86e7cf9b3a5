/*
 * A stand-in for Meta's module loader: __d, require, importNamespace, importDefault, requireLazy.
 *
 * wa-js patches functions by assigning into what importNamespace answers, so a module's namespace is
 * the same object each time.
 */
((global) => {
  "use strict";

  const modules = Object.create(null);

  function define(id, dependencies, factory, options) {
    modules[id] = { id, dependencies: dependencies || [], factory, options, exports: undefined };
  }

  function load(id) {
    const entry = modules[id];
    if (!entry) throw new Error(`Requiring unknown module "${id}"`);
    if (entry.factory) {
      const { factory } = entry;
      entry.factory = null; // as there: a factory that has run is let go, also in a circle
      const module = { exports: {} };
      entry.exports = module.exports;
      factory.call(
        global, global, require, importDefault, importNamespace, requireLazy, module, module.exports,
      );
      entry.exports = module.exports;
      entry.isCommonJs = Boolean(module.isCommonJs);
    }
    return entry;
  }

  function require(id) {
    return load(id).exports;
  }

  // A CommonJS module comes back as {default: exports}.
  function importNamespace(id) {
    const entry = load(id);
    entry.namespace ||= entry.isCommonJs ? { default: entry.exports } : entry.exports;
    return entry.namespace;
  }

  function importDefault(id) {
    return importNamespace(id).default;
  }

  function requireLazy(ids, callback) {
    Promise.resolve().then(() => callback(...ids.map(require)));
  }

  function commonJs(id, exports) {
    define(id, [], (...given) => {
      const module = given[5];
      module.exports = exports;
      module.isCommonJs = true;
    });
  }

  commonJs("__debug", { modulesMap: modules });
  commonJs("Bootloader", {
    loadModules() { throw new Error("unknown component"); },
    __debug: { componentMap: new Map() },
  });

  const waiting = { definitions: global.__d_stub || [], requests: global.__rl_stub || [] };
  Object.assign(global, {
    ErrorGuard: { skipGuardGlobal() {} }, importDefault, importNamespace, requireLazy,
  });
  global.__d = define;
  waiting.definitions.forEach((definition) => define(...definition));
  global.require = require;
  waiting.requests.forEach((request) => requireLazy(...request));
})(self);
