import { Box } from '../../types';
import { BoxEditor } from '../boxEditor';

/** One degree is one pixel, and all the world is shown twice. */
const view = {
  getResolution: () => 1,
  calculateExtent: () => [-360, -90, 360, 90]
};

const at = (x: number, y: number, more: object = {}) =>
  ({
    coordinate: [x, y],
    pixel: [x + 360, 90 - y],
    dragging: false,
    map: { getView: () => view },
    originalEvent: { button: 0, shiftKey: false, pointerType: 'mouse', ...more }
  }) as any;

function make(box: Box | null = null) {
  const calls = { preview: jest.fn(), done: jest.fn(), cursor: jest.fn() };
  const editor = new BoxEditor(calls);
  editor.enabled = true;
  editor.box = box;
  const drag = (
    from: [number, number],
    to: [number, number],
    more: object = {}
  ): boolean => {
    const taken = editor.handleDownEvent(at(...from, more));
    if (taken) {
      editor.handleDragEvent(at(...to, more));
      editor.handleUpEvent(at(...to, more));
    }
    return taken;
  };
  return { ...calls, editor, drag };
}

describe('a drag on the map', () => {
  it('pans where there is no box, and draws with Shift or the button', () => {
    const { editor, drag, done } = make();
    expect(drag([0, 0], [20, 10])).toBe(false);
    expect(drag([0, 0], [20, 10], { shiftKey: true })).toBe(true);
    expect(done).toHaveBeenLastCalledWith([0, 0, 20, 10]);
    editor.drawing = true;
    drag([30, 10], [10, -5]);
    expect(done).toHaveBeenLastCalledWith([10, -5, 30, 10]);
  });

  it('draws across the antimeridian', () => {
    const { drag, done } = make();
    drag([170, 0], [200, 10], { shiftKey: true });
    expect(done).toHaveBeenLastCalledWith([170, 0, -160, 10]);
    drag([-170, 0], [-200, 10], { shiftKey: true });
    expect(done).toHaveBeenLastCalledWith([160, 0, -170, 10]);
  });

  it('moves the box, in any copy of the world', () => {
    const { drag, done } = make([0, 0, 40, 40]);
    drag([20, 20], [30, 25]);
    expect(done).toHaveBeenLastCalledWith([10, 5, 50, 45]);
    drag([-340, 20], [-330, 25]);
    expect(done).toHaveBeenLastCalledWith([10, 5, 50, 45]);
    drag([20, 20], [180, 20]);
    expect(done).toHaveBeenLastCalledWith([160, 0, -160, 40]);
  });

  it('resizes at sides and corners', () => {
    const { drag, done } = make([0, 0, 40, 40]);
    drag([39, 20], [60, 30]);
    expect(done).toHaveBeenLastCalledWith([0, 0, 61, 40]);
    drag([1, 39], [-19, 59]);
    expect(done).toHaveBeenLastCalledWith([-20, 0, 40, 60]);
  });

  it('pans in a box that is all there is to see', () => {
    expect(make([-180, -90, 180, 90]).drag([0, 0], [10, 10])).toBe(true);
    const near = jest.spyOn(view, 'calculateExtent').mockReturnValue([-20, -20, 20, 20]);
    expect(make([-50, -50, 50, 50]).drag([0, 0], [10, 10])).toBe(false);
    near.mockRestore();
  });

  it('of a few pixels is a click, not a box', () => {
    const { drag, done, preview } = make([0, 0, 40, 40]);
    drag([100, 50], [102, 51], { shiftKey: true });
    expect(done).not.toHaveBeenCalled();
    expect(preview).toHaveBeenLastCalledWith([0, 0, 40, 40]);
  });

  it('can be given up', () => {
    const { editor, done, preview } = make([0, 0, 40, 40]);
    editor.handleDownEvent(at(20, 20));
    editor.handleDragEvent(at(50, 50));
    expect(editor.isBusy).toBe(true);
    editor.cancel();
    expect(preview).toHaveBeenLastCalledWith([0, 0, 40, 40]);
    editor.handleUpEvent(at(50, 50));
    expect(done).not.toHaveBeenCalled();
  });

  it('does nothing to a box that is only shown, or with another button', () => {
    const { editor, drag } = make([0, 0, 40, 40]);
    expect(drag([20, 20], [30, 30], { button: 2 })).toBe(false);
    editor.enabled = false;
    expect(drag([20, 20], [30, 30])).toBe(false);
  });

  it('is announced by the pointer', () => {
    const { editor, cursor } = make([0, 0, 40, 40]);
    const over = (x: number, y: number) => {
      editor.handleMoveEvent(at(x, y));
      return cursor.mock.lastCall[0];
    };
    expect([over(20, 20), over(0, 20), over(40, 40), over(100, 80)]).toEqual([
      'move',
      'ew-resize',
      'nesw-resize',
      ''
    ]);
    editor.drawing = true;
    expect(over(20, 20)).toBe('crosshair');
  });
});

describe('fingers on the map', () => {
  const finger = (
    kind: string,
    x: number,
    y: number,
    count: number,
    more: object = {}
  ) => ({
    ...at(x, y, { pointerType: 'touch', preventDefault: jest.fn(), ...more }),
    type: `pointer${kind}`,
    dragging: kind === 'drag',
    activePointers: Array(count).fill({})
  });

  function touch(editor: BoxEditor, ...events: [string, number, number, number][]) {
    return events.map(event => editor.handleEvent(finger(...event) as any));
  }

  it('draw by one, and zoom by two without an end to drawing', () => {
    const { editor, done, preview } = make([0, 0, 40, 40]);
    editor.drawing = true;
    // what it takes no other interaction gets
    expect(touch(editor, ['down', 60, 10, 1], ['drag', 70, 20, 1])).toEqual([
      false,
      true
    ]);
    expect(preview).toHaveBeenLastCalledWith([60, 10, 70, 20]);
    touch(editor, ['down', 100, 50, 2]);
    expect(editor.isBusy).toBe(false);
    expect(preview).toHaveBeenLastCalledWith([0, 0, 40, 40]);
    preview.mockClear();
    touch(
      editor,
      ['drag', 110, 60, 2],
      ['up', 110, 60, 1],
      ['down', 110, 60, 2],
      ['up', 110, 60, 1],
      ['drag', 90, 60, 1],
      ['up', 90, 60, 0]
    );
    expect(preview).not.toHaveBeenCalled();
    expect(done).not.toHaveBeenCalled();
    expect(editor.drawing).toBe(true);
    touch(editor, ['down', 60, 10, 1], ['drag', 80, 30, 1], ['up', 80, 30, 0]);
    expect(done).toHaveBeenLastCalledWith([60, 10, 80, 30]);
  });

  it('leave the box where it is if two are put into it', () => {
    const { editor, done, preview } = make([0, 0, 40, 40]);
    touch(
      editor,
      ['down', 20, 20, 1],
      ['down', 30, 20, 2],
      ['drag', 50, 20, 2],
      ['up', 50, 20, 1],
      ['up', 20, 20, 0]
    );
    expect(done).not.toHaveBeenCalled();
    expect(preview).toHaveBeenLastCalledWith([0, 0, 40, 40]);
  });

  it('scroll the page up and down on the box, and move it sideways', () => {
    const { editor, done } = make([0, 0, 40, 40]);
    touch(editor, ['down', 20, 20, 1], ['drag', 22, 35, 1], ['up', 22, 35, 0]);
    expect(done).not.toHaveBeenCalled();
    touch(
      editor,
      ['down', 20, 20, 1],
      ['drag', 35, 22, 1],
      ['drag', 30, 40, 1],
      ['up', 30, 40, 0]
    );
    expect(done).toHaveBeenLastCalledWith([10, 20, 50, 60]);
  });

  it('resize it in any direction', () => {
    const { editor, done } = make([0, 0, 40, 40]);
    touch(editor, ['down', 20, 40, 1], ['drag', 20, 60, 1], ['up', 20, 60, 0]);
    expect(done).toHaveBeenLastCalledWith([0, 0, 40, 60]);
  });

  it('that the browser takes away change nothing', () => {
    const { editor, done, preview } = make([0, 0, 40, 40]);
    touch(editor, ['down', 20, 20, 1], ['drag', 50, 20, 1]);
    const lost = finger('up', 50, 20, 0, { type: 'pointercancel' });
    editor.handleEvent(lost as any);
    expect(done).not.toHaveBeenCalled();
    expect(preview).toHaveBeenLastCalledWith([0, 0, 40, 40]);
  });
});
