import { NotebookPanel } from '@jupyterlab/notebook';
import { NotebookModel } from '@jupyterlab/notebook/lib/model';
import { KernelSpec } from '@jupyterlab/services';

import { languageOfNotebook, putCell, within } from '../notebook';

/** A notebook without its widgets: a real model, and cells that know theirs. */
function notebook(sources: string[] = ['']): NotebookPanel {
  const model = new NotebookModel();
  while (model.sharedModel.cells.length) {
    model.sharedModel.deleteCell(0);
  }
  model.sharedModel.insertCells(
    0,
    sources.map(source => ({ cell_type: 'code', source }))
  );
  const content = {
    model,
    activeCellIndex: 0,
    isVisible: false,
    get widgets() {
      return Array.from({ length: model.cells.length }, (_, index) => ({
        model: model.cells.get(index)
      }));
    },
    get activeCell() {
      return content.widgets[content.activeCellIndex] ?? null;
    },
    deselectAll: jest.fn()
  };
  return { content } as unknown as NotebookPanel;
}

const sourcesOf = ({ content }: NotebookPanel) =>
  content.widgets.map(cell => cell.model.sharedModel.getSource());

describe('a cell', () => {
  it('fills the empty one of a new notebook', () => {
    const panel = notebook();
    expect(putCell(panel, 'order:7', 'code')).toBe('inserted');
    expect(sourcesOf(panel)).toEqual(['code']);
    expect(panel.content.widgets[0].model.getMetadata('pelagos')).toEqual({
      key: 'order:7'
    });
  });

  it('goes below the active one, or to its place', () => {
    const panel = notebook(['a', 'b']);
    putCell(panel, 'x', 'X');
    expect(sourcesOf(panel)).toEqual(['a', 'X', 'b']);
    expect(panel.content.activeCellIndex).toBe(1);
    putCell(panel, 'y', 'Y', 0);
    putCell(panel, 'z', 'Z', 99);
    expect(sourcesOf(panel)).toEqual(['Y', 'a', 'X', 'b', 'Z']);
  });

  it('replaces its earlier one, wherever that is and whatever was typed', () => {
    const panel = notebook(['a', 'b']);
    putCell(panel, 'x', 'old');
    panel.content.widgets[1].model.sharedModel.setSource('changed by hand');
    panel.content.activeCellIndex = 2;
    expect(putCell(panel, 'x', 'new', 0)).toBe('replaced');
    expect(sourcesOf(panel)).toEqual(['a', 'new', 'b']);
    expect(panel.content.activeCellIndex).toBe(1);
  });

  it('is found by metadata and never by text', () => {
    const panel = notebook(['code', 'b']);
    expect(putCell(panel, 'x', 'code')).toBe('inserted');
    expect(sourcesOf(panel)).toEqual(['code', 'code', 'b']);
    expect(putCell(panel, 'other', 'code')).toBe('inserted');
  });

  it('that may not be edited stays as it is', () => {
    const panel = notebook(['a', 'b']);
    putCell(panel, 'x', 'old');
    panel.content.widgets[1].model.setMetadata('editable', false);
    expect(putCell(panel, 'x', 'new')).toBe('inserted');
    expect(sourcesOf(panel)).toContain('old');
  });

  it('is not put into a notebook that can only be read', () => {
    const panel = notebook(['a']);
    panel.content.model!.readOnly = true;
    expect(putCell(panel, 'x', 'X')).toBe('read-only');
    expect(sourcesOf(panel)).toEqual(['a']);
  });

  it('is one step of undo', () => {
    const panel = notebook(['a', 'b']);
    const shared = panel.content.model!.sharedModel;
    putCell(panel, 'x', 'X');
    shared.clearUndoHistory();
    putCell(panel, 'y', 'Y');
    shared.undo();
    expect(sourcesOf(panel)).toEqual(['a', 'X', 'b']);
  });
});

describe('the language', () => {
  const panelOf = (kernel: object | null, metadata: object = {}) =>
    ({
      sessionContext: { session: { kernel }, kernelPreference: {} },
      content: { model: { metadata } }
    }) as unknown as NotebookPanel;

  it('is that of the kernel', async () => {
    const specs = { kernelspecs: { ir: { language: 'R' } } } as any;
    const panel = panelOf({ name: 'ir' }, { language_info: { name: 'python' } });
    expect(await languageOfNotebook(panel, specs as KernelSpec.ISpecModels)).toBe('r');
    const info = Promise.resolve({ language_info: { name: 'julia' } });
    expect(await languageOfNotebook(panelOf({ name: 'x', info }), specs)).toBe('julia');
  });

  it('is that of the notebook without a kernel, and Python if nobody knows', async () => {
    const metadata = { language_info: { name: 'R' } };
    expect(await languageOfNotebook(panelOf(null, metadata), null)).toBe('r');
    expect(await languageOfNotebook(panelOf(null), null)).toBe('python');
    const info = Promise.reject(new Error('dead'));
    expect(await languageOfNotebook(panelOf({ name: 'x', info }), null)).toBe('python');
  });
});

describe('waiting', () => {
  it('ends', async () => {
    expect(await within(Promise.resolve(1), 1000, 2)).toBe(1);
    expect(await within(Promise.reject(new Error()), 1000, 2)).toBe(2);
    expect(await within(new Promise(() => undefined), 1, 2)).toBe(2);
  });
});
