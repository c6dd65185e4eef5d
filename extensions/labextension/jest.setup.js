// What browsers have and jsdom has not.
const { TextDecoder, TextEncoder } = require('util');
Object.assign(globalThis, { TextDecoder, TextEncoder });
globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
globalThis.fetch ??= () => Promise.reject(new Error('a test must not reach the network'));
globalThis.Request ??= class {};
globalThis.Response ??= class {};
globalThis.Headers ??= class {};
globalThis.requestIdleCallback ??= then => setTimeout(then);
globalThis.DragEvent ??= class extends Event {};
globalThis.matchMedia ??= () => ({
  matches: false,
  addEventListener() {},
  removeEventListener() {}
});
