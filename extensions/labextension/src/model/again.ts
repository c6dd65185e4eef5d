/**
 * Runs one at a time; who asks meanwhile waits for one more run, however many they are.
 *
 * What `run` raises reaches everybody who waited for it.
 */
export function oneAtATime(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const begin = (): Promise<void> => {
    next = null;
    running = run().finally(() => {
      running = null;
    });
    return running;
  };
  return () => {
    if (!running) {
      return begin();
    }
    next ??= running.then(begin, begin);
    return next;
  };
}
