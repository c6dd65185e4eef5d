/**
 * What the server extension and this extension tell each other, as JSON.
 *
 * The same names stand in `jupyterlab_pelagos/models/`. Sizes are bytes, times RFC 3339 in UTC,
 * places degrees in WGS 84.
 */
export * from './orders';
export * from './problem';
export * from './search';
export * from './server';
