/** Small parts that all sections are made of. */
export * from './button';
export * as format from './format';
export * from './live';
export * from './problem';
export * from './progress';
export * from './link';
export * from './visible';
export * from './store';
export * from './focus';
