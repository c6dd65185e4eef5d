import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { ApiError } from '../api';
import { CommandIDs, IPelagos } from '../tokens';
import { ICriteria, IUsable } from '../types';
import { Adder } from './adder';
import { copyText } from './clipboard';
import { acceptDrops } from './drag';
import { contentsPath, copyCitations, lastOrder } from './things';

/** Milliseconds that a short message stays. */
const SHORT = 3000;
const LONG = 10_000;

/** Code for notebooks: commands, and what is dragged there. */
const use: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-pelagos:use',
  description: 'Marine data: code for what was found and ordered.',
  autoStart: true,
  requires: [IPelagos],
  optional: [INotebookTracker, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    shared: IPelagos,
    tracker: INotebookTracker | null,
    palette: ICommandPalette | null
  ): void => {
    addPlaces(app, shared);
    if (tracker) {
      const adder = new Adder(app, tracker, shared);
      addCode(app, shared, adder);
      const accept = (panel: NotebookPanel) =>
        acceptDrops(panel, (to, what, index) => void adder.addAt(to, what, index));
      tracker.forEach(accept);
      tracker.widgetAdded.connect((_, panel) => accept(panel));
    }
    if (palette) {
      fillPalette(palette, shared, tracker !== null);
    }
  }
};

/** Commands that make code. */
function addCode(app: JupyterFrontEnd, shared: IPelagos, adder: Adder): void {
  const { trans } = shared;
  app.commands.addCommand(CommandIDs.insert, {
    label: trans.__('Add to notebook'),
    caption: trans.__('Insert a cell that opens it'),
    describedBy: { args: described({ what: 'object' }, ['what']) },
    execute: args => adder.add(args.what as unknown as IUsable)
  });
  app.commands.addCommand(CommandIDs.insertLastOrder, {
    label: trans.__('Add my last order to the notebook'),
    caption: trans.__('Insert a cell that opens the newest order that is ready'),
    describedBy: { args: described({}) },
    execute: told(async () => {
      const order = await lastOrder(shared);
      if (order) {
        await adder.add({ kind: 'order', order });
        return;
      }
      Notification.info(trans.__('None of your orders is ready.'), {
        autoClose: LONG,
        actions: [
          {
            label: trans.__('Show orders'),
            callback: () =>
              void app.commands.execute(CommandIDs.open, { section: 'orders' })
          }
        ]
      });
    })
  });
  app.commands.addCommand(CommandIDs.queryAsCode, {
    label: trans.__('Open query as code'),
    caption: trans.__('Insert a cell that searches the same in Python'),
    describedBy: { args: described({ criteria: 'object', collections: 'array' }) },
    execute: args =>
      adder.addSearch(
        (args.criteria as unknown as ICriteria | undefined) ?? shared.criteria.state,
        (args.collections as string[] | undefined) ?? []
      )
  });
}

/** Commands about where things are, and how they are cited. */
function addPlaces(app: JupyterFrontEnd, shared: IPelagos): void {
  const { trans } = shared;
  app.commands.addCommand(CommandIDs.copyPath, {
    label: trans.__('Copy path'),
    caption: trans.__('Copy the path, as a kernel opens it'),
    describedBy: { args: described({ path: 'string' }, ['path']) },
    execute: told(async args => {
      await copyText(String(args.path ?? ''));
      Notification.success(trans.__('The path was copied.'), { autoClose: SHORT });
    })
  });
  app.commands.addCommand(CommandIDs.copyCitation, {
    label: args =>
      args.order || args.item
        ? trans.__('Copy citation')
        : trans.__('Copy the citation of my last order'),
    describedBy: {
      args: described({
        order: 'string',
        catalogue: 'string',
        collection: 'string',
        item: 'string'
      })
    },
    execute: told(async args => {
      const message = await copyCitations(shared, args);
      Notification.success(message, { autoClose: SHORT });
    })
  });
  app.commands.addCommand(CommandIDs.reveal, {
    label: trans.__('Show in the file browser'),
    describedBy: { args: described({ path: 'string' }, ['path']) },
    isEnabled: () => app.commands.hasCommand('filebrowser:go-to-path'),
    execute: told(async args => {
      const path = await contentsPath(shared, String(args.path ?? ''));
      // the file browser itself tells a missing folder to the log only
      await app.serviceManager.contents.get(path, { content: false }).catch(() => {
        throw new ApiError(
          404,
          trans.__('%1 is not there.', path || '/'),
          trans.__('It may have been deleted, or it has expired.')
        );
      });
      await app.commands.execute('filebrowser:go-to-path', { path });
    })
  });
}

/** All that makes sense without an argument. The panel's own command is there already. */
function fillPalette(palette: ICommandPalette, { trans }: IPelagos, code: boolean): void {
  const category = trans.__('Marine data');
  for (const section of ['basket', 'orders', 'storage']) {
    palette.addItem({ command: CommandIDs.open, category, args: { section } });
  }
  palette.addItem({ command: CommandIDs.copyCitation, category });
  if (code) {
    palette.addItem({ command: CommandIDs.insertLastOrder, category });
    palette.addItem({ command: CommandIDs.queryAsCode, category });
  }
}

type Execute = (args: ReadonlyPartialJSONObject) => Promise<void>;

/** What goes wrong is told, and not only to the log. */
function told(execute: Execute): Execute {
  return async args => {
    try {
      await execute(args);
    } catch (error) {
      console.error('jupyterlab-pelagos', error);
      Notification.error(error instanceof Error ? error.message : String(error), {
        autoClose: LONG
      });
    }
  };
}

function described(
  types: Record<string, string>,
  required: string[] = []
): ReadonlyJSONObject {
  const properties = Object.fromEntries(
    Object.entries(types).map(([name, type]) => [name, { type }])
  );
  return { type: 'object', properties, required };
}

export const plugins: JupyterFrontEndPlugin<unknown>[] = [use];
