/* Marks a page whose console does not answer. What it shows is then a past state, and nobody may take it for the present one.
 *
 * Everything else on the pages works without this file: forms are forms, and links are links.
 */
"use strict";

(() => {
  const banner = () => document.getElementById("stale");

  const markStale = () => {
    const element = banner();
    if (element !== null) {
      element.hidden = false;
    }
  };

  const markCurrent = () => {
    const element = banner();
    if (element !== null) {
      element.hidden = true;
    }
  };

  // htmx sends these for the stream of changes, and for each time it loads a part of the page again.
  for (const name of ["htmx:sseError", "htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(name, markStale);
  }
  // The page is loaded again when the stream is back: something may have changed in the meantime.
  document.addEventListener("htmx:sseOpen", () => {
    const live = document.getElementById("live");
    if (live !== null && banner() !== null && !banner().hidden) {
      window.htmx.trigger(live, "reload");
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    // The banner about Kafka is a part of its own: that it has changed does not make the rest current.
    if (event.detail.target.id !== "kafka") {
      markCurrent();
    }
  });
})();
