/*
 * Stores that a client listens to from the start and that stay empty here. Nothing here may have an effect.
 */

function createEmptyCollection(require, proxyName, Collection) {
  const { BaseModel, defineModel } = require("WAWebBaseModel");
  Collection.model = defineModel(class Empty extends BaseModel {}, proxyName, { id: undefined });
  return new Collection();
}

// Only the instance is exported: if <Name>Impl is there too, wa-js takes that one for the store.
for (const name of [
  "Blocklist", "Presence", "BusinessProfile", "BotProfile", "Order", "Label", "Mute",
  "ProfilePicThumb", "Reactions", "Cart", "Catalog",
]) {
  define(`WAWeb${name}Collection`, (exports, require) => {
    class Collection extends require("WAWebBaseCollection").BaseCollection {}
    exports[`${name}Collection`] = createEmptyCollection(require, name.toLowerCase(), Collection);
  });
}

define("WAWebStatusCollection", (exports, require) => {
  class StatusCollection extends require("WAWebBaseCollection").BaseCollection {}
  exports.StatusV3Collection = createEmptyCollection(require, "statusV3", StatusCollection);
  exports.StatusV3CollectionImpl = StatusCollection;
});

define("WAWebCallCollection", (exports, require) => {
  class CallCollection extends require("WAWebBaseCollection").BaseCollection {
    processIncomingCall() {}
  }
  exports.default = createEmptyCollection(require, "call", CallCollection);
  exports.CallCollectionImpl = CallCollection;
});

define("WAWebNewsletterCollection", (exports, require) => {
  class NewsletterCollection extends require("WAWebBaseCollection").BaseCollection {}
  NewsletterCollection.model = require("WAWebChatModel").Chat;
  exports.default = new NewsletterCollection();
});
