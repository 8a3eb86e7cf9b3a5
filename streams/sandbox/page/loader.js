/*
 * A replacement for Meta's module loader: __d, require, importNamespace, importDefault, requireLazy.
 *
 * Nothing here may know a module of WhatsApp. wa-js patches functions by assigning into the result of
 * importNamespace, so that must be the same object for each call.
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
      entry.factory = null; // as in the real loader: a factory runs once, also in a cycle
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

  // A CommonJS module is returned as {default: exports}.
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

  function defineCommonJs(id, exports) {
    define(id, [], (...factoryArguments) => {
      const module = factoryArguments[5];
      module.exports = exports;
      module.isCommonJs = true;
    });
  }

  defineCommonJs("__debug", { modulesMap: modules });
  defineCommonJs("Bootloader", {
    loadModules() { throw new Error("unknown component"); },
    __debug: { componentMap: new Map() },
  });

  const queued = { definitions: global.__d_stub || [], requests: global.__rl_stub || [] };
  Object.assign(global, {
    ErrorGuard: { skipGuardGlobal() {} }, importDefault, importNamespace, requireLazy,
  });
  global.__d = define;
  queued.definitions.forEach((definition) => define(...definition));
  global.require = (id) => {
    const exports = require(id);
    return Object.keys(exports).join() === "default" ? exports.default : exports;
  };
  queued.requests.forEach((request) => requireLazy(...request));
})(self);
