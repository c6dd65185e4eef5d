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
globalThis.DragEvent ??= class extends Event {};
<<<<<<< HEAD
globalThis.matchMedia ??= query => ({
  matches: false,
  media: query,
  addListener() {},
  removeListener() {},
=======
globalThis.matchMedia ??= () => ({
  matches: false,
>>>>>>> gra
  addEventListener() {},
  removeEventListener() {}
});
