import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';

import { pelagosIcon } from '../icons';
import { CommandIDs, IPelagos } from '../tokens';
import { argsOf, nameOf } from './opening';
import type { GranulesWidget } from './widget';

type Tab = MainAreaWidget<GranulesWidget>;

/** Granules in the main area. */
const granules: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-pelagos:granules',
  description: 'Marine data: granules of data sets in the main area.',
  autoStart: true,
  requires: [IPelagos],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    pelagos: IPelagos,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ): void => {
    const { trans } = pelagos;
    const tracker = new WidgetTracker<Tab>({ namespace: 'pelagos-granules' });
    app.commands.addCommand(CommandIDs.granules, {
      label: trans.__('Browse granules of marine data'),
      caption: trans.__('List what the data sets consist of, and put it into the basket'),
      icon: pelagosIcon,
      execute: async given => {
        const args = argsOf(given, pelagos.criteria.state);
        const name = nameOf(args.collections);
        const find = () =>
          tracker.find(tab => nameOf(tab.content.args.collections) === name);
        let tab = find();
        if (tab) {
          tab.content.carryOver(args);
        } else {
          const { GranulesWidget } = await import('./widget');
          // a second click while it was loaded
          tab = find() ?? newTab(new GranulesWidget(pelagos, args));
        }
        if (!tab.isAttached) {
          app.shell.add(tab, 'main', { type: 'Marine data' });
        }
        app.shell.activateById(tab.id);
        return tab;
      }
    });
    const newTab = (content: GranulesWidget): Tab => {
      const tab = new MainAreaWidget({ content });
      tab.id = `pelagos-granules-${(count += 1)}`;
      tab.toolbar.hide(); // it has its own, which is narrow where the tab is
      content.criteria.changed.connect(() => void tracker.save(tab));
      void tracker.add(tab);
      return tab;
    };
    let count = 0;
    palette?.addItem({
      command: CommandIDs.granules,
      category: trans.__('Marine data')
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.granules,
      args: tab => tab.content.args,
      name: tab => nameOf(tab.content.args.collections)
    });
  }
};

export const plugins: JupyterFrontEndPlugin<unknown>[] = [granules];
