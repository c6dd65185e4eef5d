import { NotebookPanel } from '@jupyterlab/notebook';
import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';

import { DRAG_TYPE, IUsable } from '../../types';
import { acceptDrops, draggedIn, startDrag } from '../drag';

jest.mock('@lumino/dragdrop', () => ({
  Drag: jest.fn(() => ({ start: async () => 'copy', dispose: () => undefined }))
}));

const USABLE: IUsable = {
  kind: 'granule',
  catalogue: '',
  collection: 'c',
  item: 'i',
  title: 'T'
};
const press = { button: 0, clientX: 10, clientY: 10 };

function move(clientX: number, buttons = 1): void {
  document.dispatchEvent(
    new MouseEvent('pointermove', { clientX, clientY: 10, buttons, bubbles: true })
  );
}

beforeEach(() => {
  (Drag as unknown as jest.Mock).mockClear();
  document.dispatchEvent(new Event('pointerup'));
});

describe('a press', () => {
  it('is a drag once the mouse has moved some pixels, and only one', () => {
    startDrag(press, USABLE, 'A <b>label</b>');
    move(12);
    expect(Drag).not.toHaveBeenCalled();
    move(20);
    move(30);
    expect(Drag).toHaveBeenCalledTimes(1);
    const { mimeData, dragImage } = (Drag as unknown as jest.Mock).mock.calls[0][0];
    expect(draggedIn(mimeData)).toEqual(USABLE);
    expect(dragImage.textContent).toBe('A <b>label</b>');
  });

  it('is none when it was let go before, or is another button or a finger', () => {
    startDrag(press, USABLE, '');
    document.dispatchEvent(new Event('pointerup'));
    move(50);
    startDrag(press, USABLE, '');
    move(50, 0); // let go outside of the window
    move(60);
    startDrag({ ...press, button: 2 }, USABLE, '');
    startDrag({ ...press, pointerType: 'touch' }, USABLE, '');
    move(70);
    expect(Drag).not.toHaveBeenCalled();
  });
});

describe('a notebook', () => {
  const drag = (type: string, data: unknown) => {
    const mimeData = new MimeData();
    if (data !== undefined) {
      mimeData.setData(DRAG_TYPE, data);
    }
    const event = new Event(type, { bubbles: true, cancelable: true });
    return Object.assign(event, { mimeData, dropAction: 'none' });
  };

  function made(): [HTMLElement[], jest.Mock] {
    const node = document.createElement('div');
    const cells = [0, 1].map(() => node.appendChild(document.createElement('div')));
    const content = { node, widgets: cells.map(cell => ({ node: cell })) };
    const drop = jest.fn();
    acceptDrops({ content } as unknown as NotebookPanel, drop);
    return [[node, ...cells], drop];
  }

  it('takes ours at the cell under the mouse, and shows where', () => {
    const [[, , second], drop] = made();
    const over = drag('lm-dragover', JSON.stringify(USABLE));
    second.dispatchEvent(over);
    expect(over.dropAction).toBe('copy');
    expect(second.className).toContain('jp-Pelagos-dropTarget');
    second.dispatchEvent(drag('lm-drop', JSON.stringify(USABLE)));
    expect(second.className).toBe('');
    expect(drop).toHaveBeenCalledWith(expect.anything(), USABLE, 1);
  });

  it('takes ours at its end below all cells', () => {
    const [[node], drop] = made();
    node.dispatchEvent(drag('lm-drop', JSON.stringify(USABLE)));
    expect(drop).toHaveBeenCalledWith(expect.anything(), USABLE, 2);
  });

  it('leaves others alone, and what makes no sense', () => {
    const [[node], drop] = made();
    const other = drag('lm-dragover', undefined);
    node.dispatchEvent(other);
    expect(other.defaultPrevented).toBe(false);
    for (const data of ['{', 'null', '{"kind":"code"}']) {
      node.dispatchEvent(drag('lm-drop', data));
    }
    expect(drop).not.toHaveBeenCalled();
  });
});
