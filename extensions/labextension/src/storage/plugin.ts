import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { createElement } from 'react';

import { sessionStore } from '../common/store';
import { StorageModel } from '../model/storage';
import { CommandIDs, IPelagos, IPelagosPanel } from '../tokens';
import { storageIcon } from './icons';
import { StorageStatus } from './status';
import { StorageTeller } from './tell';

/** Workspace, dataspace and this server: in the panel, in the status bar, and told of once. */
const storage: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-pelagos:storage',
  description: 'Marine data: workspace, dataspace and memory at a glance.',
  autoStart: true,
  requires: [IPelagos, IPelagosPanel],
  optional: [IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    pelagos: IPelagos,
    panel: IPelagosPanel,
    bar: IStatusBar | null
  ): void => {
    const model = new StorageModel(pelagos.api, pelagos.changes, pelagos.state);
    new StorageTeller(pelagos, model, sessionStore());
    void app.restored.then(() => model.start());
    panel.add({
      id: 'storage',
      title: pelagos.trans.__('Storage'),
      icon: storageIcon,
      rank: 40,
      badge: () => model.failedUploads,
      badgeChanged: model.changed,
      load: async () => {
        const { StorageSection } = await import('./section');
        return () => createElement(StorageSection, { pelagos, model });
      }
    });
    bar?.registerStatusItem('jupyterlab-pelagos:storage', {
      align: 'left',
      rank: 20,
      item: new StorageStatus(
        pelagos,
        model,
        () => void pelagos.commands.execute(CommandIDs.open, { section: 'storage' })
      )
    });
  }
};

export const plugins: JupyterFrontEndPlugin<unknown>[] = [storage];
