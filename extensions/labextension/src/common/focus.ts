import { DisposableDelegate, IDisposable } from '@lumino/disposable';

interface IPlace {
  element: Element;
  next: Element | null;
  previous: Element | null;
}

/**
 * Keep the focus below `root` when what has it goes away or is switched off.
 *
 * It goes to the neighbour of what went away if that takes the focus by itself (one order of many),
 * else to what surrounds it. No other button gets it: who presses Enter twice must not order.
 */
export function keepFocus(root: HTMLElement): IDisposable {
  let places: IPlace[] = [];
  const onFocus = (event: FocusEvent) => {
    places = placesOf(event.target as Element, root);
  };
  const onBlur = ({ target }: FocusEvent) => {
    // what is removed may tell so too; only who left by himself is let go
    window.setTimeout(() => {
      if (places[0]?.element === target && isThere(target as Element)) {
        places = [];
      }
    });
  };
  const observer = new MutationObserver(() => {
    const { activeElement: active } = document;
    const isLost = !active || active === document.body || !isThere(active);
    if (places.length && isLost && !isThere(places[0].element)) {
      const goal = goalOf(places);
      places = [];
      if (goal && !goal.closest('[hidden]')) {
        if (!goal.hasAttribute('tabindex')) {
          goal.tabIndex = -1;
        }
        goal.focus({ preventScroll: true });
      }
    }
  });
  root.addEventListener('focusin', onFocus);
  root.addEventListener('focusout', onBlur);
  observer.observe(root, {
    attributeFilter: ['disabled'],
    childList: true,
    subtree: true
  });
  return new DisposableDelegate(() => {
    observer.disconnect();
    root.removeEventListener('focusin', onFocus);
    root.removeEventListener('focusout', onBlur);
  });
}

/** An element and all around it, innermost first, with their neighbours as they are now. */
function placesOf(target: Element, root: Element): IPlace[] {
  const places: IPlace[] = [];
  for (
    let element: Element | null = target;
    element && root.contains(element);
    element = element.parentElement
  ) {
    const { nextElementSibling: next, previousElementSibling: previous } = element;
    places.push({ element, next, previous });
  }
  return places;
}

function isThere(element: Element): boolean {
  return element.isConnected && !element.matches(':disabled');
}

function goalOf(places: IPlace[]): HTMLElement | null {
  const index = places.findIndex(({ element }) => isThere(element));
  if (index < 1) {
    return null;
  }
  const { next, previous } = places[index - 1];
  const neighbour = [next, previous].find(
    one => one?.isConnected && one.getAttribute('tabindex') === '-1'
  );
  return (neighbour ?? places[index].element) as HTMLElement;
}
