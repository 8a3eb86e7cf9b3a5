/*
 * The base classes of WhatsApp Web: event emitter, model, collection. Nothing here may know what a
 * message or a chat is.
 */

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
      const callOnce = (...values) => {
        this.off(name, callOnce);
        return callback.apply(context || this, values);
      };
      callOnce.original = callback;
      return this.on(name, callOnce, context);
    }

    listenToOnce(other, name, callback) {
      other.once(name, callback, this);
      return this;
    }

    off(name, callback) {
      if (!name) this._listeners = {};
      const listeners = (this._listeners && this._listeners[name]) || [];
      const isKept = (listener) =>
        callback && listener.callback !== callback && listener.callback.original !== callback;
      if (listeners.length) this._listeners[name] = listeners.filter(isKept);
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

  function buildAccessor(name) {
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
        this._defineProperty(name);
        this.attributes[name] = values[name];
      }
      if (this.initialize) this.initialize();
    }

    _defineProperty(name) {
      if (!(name in this)) Object.defineProperty(this, name, buildAccessor(name));
    }

    get(name) {
      return this.attributes[name];
    }

    // All values are set before the first event: a listener never sees half of a change.
    set(name, value) {
      const values = typeof name === "object" ? name : { [name]: value };
      const changes = [];
      for (const key of Object.keys(values)) {
        this._defineProperty(key);
        const previous = this.attributes[key];
        if (previous === values[key]) continue;
        this.attributes[key] = values[key];
        changes.push([key, values[key], previous]);
      }
      for (const change of changes) this._triggerChange(...change);
      if (changes.length) this.trigger("change", this);
      return this;
    }

    // A collection emits what its models emit.
    _triggerChange(name, value, previous) {
      this.trigger(`change:${name}`, this, value, previous);
      if (this.collection) this.collection.trigger(`change:${name}`, this, value, previous);
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
      if (!(name in Model.prototype)) Object.defineProperty(Model.prototype, name, buildAccessor(name));
    }
    return Model;
  };
});

define("WAWebCollection", (exports, require) => {
  const EventEmitter = require("WAWebEventEmitter").default;

  // An id, its text and a model all have the same key.
  const getKey = (item) => String(item.attributes ? item.id : item);

  exports.default = class Collection extends EventEmitter {
    constructor() {
      super();
      if (!this.constructor.model) throw new Error("Collection initialized without model");
      this.modelClass = this.constructor.model;
      this._models = new Map();
    }

    get length() { return this._models.size; }

    add(items, options) {
      return Array.isArray(items)
        ? items.map((item) => this._addOne(item, options))
        : this._addOne(items, options);
    }

    _addOne(value, options) {
      const key = String(value.id);
      const existing = this._models.get(key);
      if (existing) {
        if (options && options.merge && value !== existing) existing.set(value.attributes || value);
        return existing;
      }
      const isModel = value instanceof this.modelClass;
      const model = isModel ? value : new this.modelClass(value, { collection: this });
      model.collection ||= this;
      this._models.set(key, model);
      this.trigger("add", model, this);
      return model;
    }

    get(item) {
      return item === null || item === undefined ? undefined : this._models.get(getKey(item));
    }

    assertGet(item) {
      const model = this.get(item);
      if (!model) throw new Error(`not found ${item}`);
      return model;
    }

    remove(items) {
      for (const item of Array.isArray(items) ? items : [items]) {
        const model = this.get(item);
        if (!model) continue;
        this._models.delete(String(model.id));
        this.trigger("remove", model, this);
      }
    }

    reset() {
      this._models.clear();
      this.trigger("reset", this);
    }

    replaceId(oldId, newId) {
      const model = this.get(oldId);
      if (!model) return;
      this._models.delete(String(oldId));
      this._models.set(String(newId), model);
    }

    getModelsArray() { return [...this._models.values()]; }
    toArray() { return this.getModelsArray(); }
    at(index) { return this.getModelsArray()[index]; }
    head() { return this.at(0); }
    last() { return this.at(this.length - 1); }
    map(callback) { return this.getModelsArray().map(callback); }
    filter(predicate) { return this.getModelsArray().filter(predicate); }
    forEach(callback) { this.getModelsArray().forEach(callback); }
    findFirst(predicate) { return this.getModelsArray().find(predicate); }
    some(predicate) { return this.getModelsArray().some(predicate); }
    serialize() { return this.map((model) => model.serialize()); }
    async find(id) { return this.get(id); }
  };
});

define("WAWebBaseCollection", (exports, require) => {
  exports.BaseCollection = class BaseCollection extends require("WAWebCollection").default {
    gadd(id) { return this.get(id) || this.add({ id }); }
  };
});
