/* ---------- emitters, models, collections ---------- */

define("WAWebEventEmitter", (exports) => {
  exports.default = class EventEmitter {
    on(names, callback, context) {
      if (typeof callback !== "function") {
        throw new Error("Callback parameter passed is not a function");
      }
      for (const name of names.split(/\s+/)) {
        this._listeners ||= {};
        (this._listeners[name] ||= []).push({ callback, context: context || this });
      }
      return this;
    }

    once(name, callback, context) {
      const first = (...values) => {
        this.off(name, first);
        return callback.apply(context || this, values);
      };
      first.original = callback;
      return this.on(name, first, context);
    }

    off(name, callback) {
      if (!name) this._listeners = {};
      const listeners = (this._listeners && this._listeners[name]) || [];
      const stays = (one) =>
        callback && one.callback !== callback && one.callback.original !== callback;
      if (listeners.length) this._listeners[name] = listeners.filter(stays);
      return this;
    }

    trigger(name, ...values) {
      this._emit(name, values);
      if (name !== "all") this._emit("all", [name, ...values]);
      return this;
    }

    _emit(name, values) {
      const listeners = (this._listeners && this._listeners[name]) || [];
      for (const { callback, context } of [...listeners]) {
        try {
          callback.apply(context, values);
        } catch (error) {
          console.error("a listener failed", name, error);
        }
      }
    }

    listenTo(other, name, callback) {
      other.on(name, callback, this);
      return this;
    }
  };
});

define("WAWebBaseModel", (exports, require) => {
  const EventEmitter = require("WAWebEventEmitter").default;

  function accessor(name) {
    return {
      configurable: true,
      enumerable: true,
      get() { return this.attributes[name]; },
      set(value) { this.set(name, value); },
    };
  }

  exports.BaseModel = class BaseModel extends EventEmitter {
    constructor(values, options) {
      super();
      Object.defineProperty(this, "attributes", { value: {}, enumerable: false });
      this.collection = options && options.collection;
      Object.assign(this.attributes, this.constructor.defaults);
      for (const name of Object.keys(values || {})) {
        this._own(name);
        this.attributes[name] = values[name];
      }
      if (this.initialize) this.initialize();
    }

    _own(name) {
      if (!(name in this)) Object.defineProperty(this, name, accessor(name));
    }

    get(name) {
      return this.attributes[name];
    }

    set(name, value) {
      if (typeof name === "object") {
        for (const each of Object.keys(name)) this.set(each, name[each]);
        return this;
      }
      this._own(name);
      const before = this.attributes[name];
      if (before === value) return this;
      this.attributes[name] = value;
      this.trigger(`change:${name}`, this, value, before);
      this.trigger("change", this);
      // A collection emits what its models emit.
      if (this.collection) this.collection.trigger(`change:${name}`, this, value, before);
      return this;
    }

    unset(name) { return this.set(name, undefined); }
    serialize() { return { ...this.attributes }; }
    toJSON() { return this.serialize(); }
    unsafe() { return this; }
  };

  exports.defineModel = (Model, proxyName, defaults) => {
    Model.prototype.proxyName = proxyName;
    Model.defaults = defaults;
    for (const name of Object.keys(defaults)) {
      if (!(name in Model.prototype)) Object.defineProperty(Model.prototype, name, accessor(name));
    }
    return Model;
  };
});

define("WAWebBaseCollectionClass", (exports, require) => {
  const EventEmitter = require("WAWebEventEmitter").default;

  // What is asked for is an id, its text, or a model.
  const keyOf = (what) => String(what.attributes ? what.id : what);

  exports.default = class Collection extends EventEmitter {
    constructor() {
      super();
      if (!this.constructor.model) throw new Error("Collection initialized without model");
      this.modelClass = this.constructor.model;
      this._models = new Map();
    }

    get length() { return this._models.size; }

    add(what, options) {
      return Array.isArray(what)
        ? what.map((one) => this._addOne(one, options))
        : this._addOne(what, options);
    }

    _addOne(value, options) {
      const key = String(value.id);
      const known = this._models.get(key);
      if (known) {
        if (options && options.merge && value !== known) known.set(value.attributes || value);
        return known;
      }
      const isModel = value instanceof this.modelClass;
      const model = isModel ? value : new this.modelClass(value, { collection: this });
      model.collection ||= this;
      this._models.set(key, model);
      this.trigger("add", model, this);
      return model;
    }

    get(what) {
      return what === null || what === undefined ? undefined : this._models.get(keyOf(what));
    }

    assertGet(what) {
      const model = this.get(what);
      if (!model) throw new Error(`not found ${what}`);
      return model;
    }

    remove(what) {
      for (const one of Array.isArray(what) ? what : [what]) {
        const model = this.get(one);
        if (!model) continue;
        this._models.delete(String(model.id));
        this.trigger("remove", model, this);
      }
    }

    reset() {
      this._models.clear();
      this.trigger("reset", this);
    }

    getModelsArray() { return [...this._models.values()]; }
    toArray() { return this.getModelsArray(); }
    at(index) { return this.getModelsArray()[index]; }
    head() { return this.at(0); }
    last() { return this.at(this.length - 1); }
    map(each) { return this.getModelsArray().map(each); }
    filter(wanted) { return this.getModelsArray().filter(wanted); }
    forEach(each) { this.getModelsArray().forEach(each); }
    findFirst(wanted) { return this.getModelsArray().find(wanted); }
    some(wanted) { return this.getModelsArray().some(wanted); }
    serialize() { return this.map((model) => model.serialize()); }
    async find(id) { return this.get(id); }
  };
});

define("WAWebBaseCollection", (exports, require) => {
  exports.BaseCollection = class BaseCollection extends require("WAWebBaseCollectionClass").default {
    gadd(id) { return this.get(id) || this.add({ id }); }
  };
});
