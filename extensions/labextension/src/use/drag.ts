import { NotebookPanel } from '@jupyterlab/notebook';
import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';

import { DRAG_TYPE, IUsable } from '../types';

/** Pixels that a pressed mouse moves before it is a drag and no click. */
const THRESHOLD = 5;
const TARGET_CLASS = 'jp-Pelagos-dropTarget';
const END_CLASS = 'jp-Pelagos-dropEnd';

/** What is needed of a `pointerdown` or `mousedown`, React's or the browser's. */
export interface IPress {
  readonly button: number;
  readonly clientX: number;
  readonly clientY: number;
  readonly pointerType?: string;
}

/**
 * Let something be dragged into a notebook: call it in `onPointerDown` of its row.
 *
 * It stays a click until the mouse has moved some pixels. A finger scrolls and does not drag.
 * `label` is for people, beside the mouse. Does not stop or change the event.
 */
export function startDrag(press: IPress, usable: IUsable, label: string): void {
  if (press.button !== 0 || press.pointerType === 'touch') {
    return;
  }
  const { clientX, clientY } = press;
  const onMove = (event: PointerEvent) => {
    if (!(event.buttons & 1)) {
      forget(); // let go outside of the window
      return;
    }
    if (
      Math.abs(event.clientX - clientX) >= THRESHOLD ||
      Math.abs(event.clientY - clientY) >= THRESHOLD
    ) {
      forget();
      window.getSelection()?.removeAllRanges();
      begin(event, usable, label);
    }
  };
  const noSelection = (event: Event) => event.preventDefault();
  const forget = () => {
    document.removeEventListener('pointermove', onMove, true);
    document.removeEventListener('pointerup', forget, true);
    document.removeEventListener('pointercancel', forget, true);
    document.removeEventListener('selectstart', noSelection, true);
  };
  document.addEventListener('pointermove', onMove, true);
  document.addEventListener('pointerup', forget, true);
  document.addEventListener('pointercancel', forget, true);
  document.addEventListener('selectstart', noSelection, true);
}

function begin(event: PointerEvent, usable: IUsable, label: string): void {
  const mimeData = new MimeData();
  mimeData.setData(DRAG_TYPE, JSON.stringify(usable));
  const dragImage = document.createElement('div');
  dragImage.className = 'jp-Pelagos-dragImage';
  dragImage.textContent = label;
  const drag = new Drag({
    dragImage,
    mimeData,
    supportedActions: 'copy',
    proposedAction: 'copy'
  });
  void drag.start(event.clientX, event.clientY).then(() => drag.dispose());
}

/** What was dragged, or null if it is not ours. */
export function draggedIn(mimeData: MimeData): IUsable | null {
  if (!mimeData.hasData(DRAG_TYPE)) {
    return null;
  }
  try {
    const found = JSON.parse(String(mimeData.getData(DRAG_TYPE)));
    return ['order', 'file', 'granule'].includes(found?.kind) ? found : null;
  } catch {
    return null;
  }
}

/**
 * Let a notebook take what is dragged from our lists.
 *
 * `drop` gets the place: the index that a new cell would have. As with cells, that is above the cell
 * under the mouse, and the end of the notebook below the last one.
 */
export function acceptDrops(
  panel: NotebookPanel,
  drop: (panel: NotebookPanel, usable: IUsable, index: number) => void
): void {
  const { content } = panel;
  const node = content.node;
  const unmark = () => {
    node.querySelector(`.${TARGET_CLASS}`)?.classList.remove(TARGET_CLASS);
    node.classList.remove(END_CLASS);
  };
  const mark = (index: number) => {
    unmark();
    const cell = content.widgets[index];
    if (cell) {
      cell.node.classList.add(TARGET_CLASS);
    } else {
      node.classList.add(END_CLASS);
    }
  };
  const onDrag = (event: Event) => {
    const dragged = event as Drag.Event;
    if (!dragged.mimeData.hasData(DRAG_TYPE)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (event.type === 'lm-dragleave') {
      unmark();
      return;
    }
    const index = indexOf(panel, event.target as Node);
    if (event.type !== 'lm-drop') {
      dragged.dropAction = 'copy';
      mark(index);
      return;
    }
    unmark();
    const usable = draggedIn(dragged.mimeData);
    dragged.dropAction = usable ? 'copy' : 'none';
    if (usable) {
      drop(panel, usable, index);
    }
  };
  for (const type of ['lm-dragenter', 'lm-dragover', 'lm-dragleave', 'lm-drop']) {
    node.addEventListener(type, onDrag, true);
  }
}

function indexOf({ content }: NotebookPanel, target: Node): number {
  const index = content.widgets.findIndex(cell => cell.node.contains(target));
  return index < 0 ? content.widgets.length : index;
}
