import { RefObject, useEffect, useState } from 'react';

/** Whether an element is on the screen: a tab of the panel stays in the page when it is left. */
export function useVisible(ref: RefObject<Element>): boolean {
  const [visible, setVisible] = useState(typeof IntersectionObserver === 'undefined');
  useEffect(() => {
    if (!ref.current || typeof IntersectionObserver === 'undefined') {
      return;
    }
    const observer = new IntersectionObserver(entries =>
      setVisible(entries[entries.length - 1].isIntersecting)
    );
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [ref]);
  return visible;
}
