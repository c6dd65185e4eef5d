import { RefObject, useEffect, useLayoutEffect, useState } from 'react';

/** Width of an element in pixels, 0 before it is known. */
export function useWidth(element: RefObject<HTMLElement>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const node = element.current;
    if (!node) {
      return;
    }
    setWidth(node.clientWidth);
    const observer = new ResizeObserver(() => setWidth(node.clientWidth));
    observer.observe(node);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

/** A value once it has stayed the same for some milliseconds: for what is costly to draw. */
export function useRested<V>(value: V, rest = 80): V {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const clock = window.setTimeout(() => setRested(value), rest);
    return () => window.clearTimeout(clock);
  }, [value, rest]);
  return rested;
}
