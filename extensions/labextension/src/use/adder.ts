import { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { ApiError } from '../api';
import { IPelagos } from '../tokens';
import { ICriteria, IUsable } from '../types';
import { languageOf, searchScript } from './code';
import { catalogueOf, gather, keyOf, nameOf } from './gather';
import { languageOfNotebook, putCell } from './notebook';

/** Milliseconds that a short message stays. */
const SHORT = 4000;
const LONG = 10_000;

/** Puts code into notebooks, one thing after the other. */
export class Adder {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly tracker: INotebookTracker,
    private readonly shared: IPelagos
  ) {}

  /** Code for something: into the notebook in front, or into a new one. */
  add(what: IUsable): Promise<void> {
    return this._next(async () => {
      const panel = this._front() ?? (await this._create(null));
      await this._put(panel, what);
    });
  }

  /** The same at a place in a notebook; `index` as a new cell would have it. */
  addAt(panel: NotebookPanel, what: IUsable, index: number): Promise<void> {
    // cells may come and go while it is looked up
    const before = panel.content.widgets[index]?.model.id;
    return this._next(() => this._put(panel, what, before ?? null));
  }

  /** A search as Python: into the notebook in front if it speaks that, else into a new one. */
  addSearch(criteria: ICriteria, collections: string[]): Promise<void> {
    return this._next(async () => {
      const catalogue = await catalogueOf(this.shared, '');
      const query = { criteria, collections, catalogue };
      const front = this._front();
      const speaks = front && (await this._languageOf(front)) === 'python';
      const panel = speaks ? front : await this._create('python');
      const key = `query:${JSON.stringify([criteria, collections, catalogue])}`;
      const { trans } = this.shared;
      this._write(panel, key, searchScript(query, trans), trans.__('The search'));
    });
  }

  private async _put(
    panel: NotebookPanel,
    what: IUsable,
    before?: string | null
  ): Promise<void> {
    const { trans } = this.shared;
    const name = await this._languageOf(panel);
    const language = languageOf(name);
    if (!language) {
      Notification.warning(
        trans.__(
          'Code can be made for Python, R and Julia, and this notebook is in %1. Copy the path instead.',
          name
        ),
        { autoClose: LONG }
      );
      return;
    }
    const material = await gather(this.shared, what, name !== 'python');
    const index =
      before === undefined
        ? undefined
        : before === null
          ? panel.content.widgets.length
          : panel.content.widgets.findIndex(cell => cell.model.id === before);
    this._write(
      panel,
      keyOf(what),
      language.cell(material, trans),
      nameOf(what),
      index !== undefined && index < 0 ? undefined : index
    );
  }

  private _write(
    panel: NotebookPanel,
    key: string,
    code: string,
    what: string,
    index?: number
  ): void {
    const { trans } = this.shared;
    const notebook = PathExt.basename(panel.context.localPath);
    const done = panel.isDisposed ? 'gone' : putCell(panel, key, code, index);
    if (done === 'gone' || done === 'read-only') {
      Notification.warning(
        done === 'gone'
          ? trans.__('The notebook was closed. Open one, and add it again.')
          : trans.__('%1 can only be read. Open another notebook.', notebook),
        { autoClose: LONG }
      );
      return;
    }
    const message =
      done === 'replaced'
        ? trans.__('%1: the cell in %2 is up to date.', what, notebook)
        : trans.__('%1: a cell was added to %2.', what, notebook);
    const show = {
      label: trans.__('Show'),
      callback: () => this.app.shell.activateById(panel.id)
    };
    Notification.success(message, {
      autoClose: SHORT,
      actions: panel.isVisible ? [] : [show]
    });
  }

  /** The notebook that was used last, in front or behind our own tabs. */
  private _front(): NotebookPanel | null {
    const panel = this.tracker.currentWidget;
    return panel && !panel.isDisposed ? panel : null;
  }

  private async _languageOf(panel: NotebookPanel): Promise<string> {
    await panel.context.ready;
    return languageOfNotebook(panel, this.app.serviceManager.kernelspecs.specs);
  }

  /** A new notebook: with the default kernel, or with one of a language. */
  private async _create(language: string | null): Promise<NotebookPanel> {
    const { kernelspecs } = this.app.serviceManager;
    await kernelspecs.ready;
    const specs = kernelspecs.specs;
    const usual = specs?.default ?? '';
    const fits = (name: string) =>
      !language || specs?.kernelspecs[name]?.language.toLowerCase() === language;
    const kernelName =
      [usual, ...Object.keys(specs?.kernelspecs ?? {})].find(fits) ?? usual;
    const panel: NotebookPanel | undefined = await this.app.commands.execute(
      'notebook:create-new',
      { kernelName }
    );
    if (!panel) {
      throw new ApiError(
        0,
        this.shared.trans.__('No notebook could be made.'),
        this.shared.trans.__('Open one, and try again.')
      );
    }
    await panel.context.ready;
    await panel.revealed;
    return panel;
  }

  /** One after the other, so that adding twice does not make two cells. Tells what went wrong. */
  private _next(task: () => Promise<void>): Promise<void> {
    this._queue = this._queue.then(task).catch(error => {
      console.error('jupyterlab-pelagos', error);
      Notification.error(error instanceof Error ? error.message : String(error), {
        autoClose: LONG
      });
    });
    return this._queue;
  }

  private _queue: Promise<void> = Promise.resolve();
}
