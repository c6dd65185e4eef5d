/** What is selected in a list: keys, never places, so that it survives sorting. */

/** With `key` turned round. */
export function toggled(selected: ReadonlySet<string>, key: string): Set<string> {
  const after = new Set(selected);
  if (!after.delete(key)) {
    after.add(key);
  }
  return after;
}

/** With all from `anchor` to `goal`, both included, in the order of `keys`. */
export function ranged(
  selected: ReadonlySet<string>,
  keys: (index: number) => string,
  anchor: number,
  goal: number
): Set<string> {
  const after = new Set(selected);
  for (let index = Math.min(anchor, goal); index <= Math.max(anchor, goal); index++) {
    after.add(keys(index));
  }
  return after;
}

/** What a key does in the list. */
export type ListAction =
  | { kind: 'move'; to: number; extend: boolean }
  | { kind: 'toggle' }
  | { kind: 'all' }
  | { kind: 'open' }
  | null;

export interface IKey {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/**
 * What to do for a key pressed in row `index` of `count`; `page` rows are seen at once.
 * See the grid pattern of the ARIA Authoring Practices Guide.
 */
export function actionOf(
  event: IKey,
  index: number,
  count: number,
  page: number
): ListAction {
  const command = event.ctrlKey || event.metaKey;
  if (event.altKey || !count) {
    return null;
  }
  if (command && event.key.toLowerCase() === 'a') {
    return { kind: 'all' };
  }
  if (event.key === ' ' && !command) {
    return { kind: 'toggle' };
  }
  if (event.key === 'Enter' && !command) {
    return { kind: 'open' };
  }
  const goal = {
    ArrowDown: index + 1,
    ArrowUp: index - 1,
    PageDown: index + Math.max(1, page - 1),
    PageUp: index - Math.max(1, page - 1),
    Home: 0,
    End: count - 1
  }[event.key];
  if (goal === undefined) {
    return null;
  }
  return {
    kind: 'move',
    to: Math.max(0, Math.min(count - 1, goal)),
    extend: event.shiftKey
  };
}
