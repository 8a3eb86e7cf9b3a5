/*
 * What the server delivers after each connect: what this device has missed. Sends wait for its end. Nothing
 * here may handle a message.
 */

/* Source: WAWebEventsWaitForOfflineDeliveryEnd. After five minutes the wait ends anyway. */
define("WAWebEventsWaitForOfflineDeliveryEnd", (exports, require) => {
  const TIMEOUT_MS = 300000;
  const { BackendEventBus } = require("WAWebBackendEventBus");

  exports.initWaitForOfflineDeliveryEnd = () => {};
  exports.isOfflineDeliveryEnd = () => BackendEventBus.isOfflineDeliveryEnd;
  exports.waitForOfflineDeliveryEnd = () => {
    if (BackendEventBus.isOfflineDeliveryEnd) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, TIMEOUT_MS);
      BackendEventBus.onceOfflineDeliveryEnd(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  };
});

define("WAWebEventsWaitForMainStreamReadyMd", (exports, require) => {
  const { BackendEventBus, BackendEvent } = require("WAWebBackendEventBus");
  exports.default = () => {
    if (BackendEventBus.isMainStreamReadyMd) return Promise.resolve();
    return new Promise((resolve) => {
      BackendEventBus.once(BackendEvent.MAIN_STREAM_MODE_READY, resolve);
    });
  };
});

/*
 * Sources: WAWebOfflineHandler, WAWebNonBlockingOfflineResumeManager. The main screen comes before the
 * messages that were missed. As on the real page, the progress ends at 99.
 */
define("WAWebOfflineHandler", (exports, require) => {
  const { BackendEventBus } = require("WAWebBackendEventBus");
  const MAX_PROGRESS = 95;
  const LAST_PROGRESS = 99;

  class OfflineMessageHandler {
    constructor() {
      this._expected = -1;
      this._processed = 0;
      this._maxProgress = MAX_PROGRESS;
      this._isComplete = false;
      this._hasPreview = false;
      this._mainScreen = null;
    }

    hasReceivedOfflinePreviewIb() { return this._hasPreview; }
    isResumeFromRestartComplete() { return this._isComplete; }
    isResumeComplete() { return this._isComplete; }
    getOfflineMessageCount() { return Math.max(this._expected, 0); }
    getFinishedDownloading() { return this.getOfflineDeliveryProgress() === 100; }

    getOfflineDeliveryProgress() {
      if (this._expected <= 0) return this._maxProgress;
      return Math.min(Math.ceil((100 * this._processed) / this._expected), this._maxProgress);
    }

    processOfflinePreview({ message }) {
      Object.assign(this, {
        _hasPreview: true, _isComplete: false, _expected: message, _processed: 0,
        _maxProgress: MAX_PROGRESS,
      });
      if (BackendEventBus.isMainStreamReadyMd) BackendEventBus.triggerOfflineDeliveryStateReset();
      else this._mainScreen ||= require("WAWebOfflineResumeUtils").loadMainScreen();
      require("WAWebCmd").Cmd.onOfflineProgressUpdateFromBridge();
    }

    newOfflineStanza() {
      this._processed += 1;
      require("WAWebCmd").Cmd.onOfflineProgressUpdateFromBridge();
    }

    async processOfflineIb() {
      await this._mainScreen;
      this._isComplete = true;
      this._maxProgress = LAST_PROGRESS;
      BackendEventBus.triggerOfflineDeliveryEnd();
      require("WAWebCmd").Cmd.onOfflineProgressUpdateFromBridge();
    }
  }
  exports.OfflineMessageHandlerImpl = OfflineMessageHandler;
  exports.OfflineMessageHandler = new OfflineMessageHandler();
});

define("WAWebOfflineResumeUtils", (exports, require) => {
  exports.loadMainScreen = async () => {
    await require("WAWebRestoreChatsAndMessages").restoreChatsAndMessages();
    await delay(SETTINGS.main_screen_ms);
    require("WAWebBackendEventBus").BackendEventBus.triggerMainStreamModeReady();
  };
});
