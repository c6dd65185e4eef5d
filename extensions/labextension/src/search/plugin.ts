import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { searchIcon } from '@jupyterlab/ui-components';

import { IPelagos, IPelagosPanel } from '../tokens';

/** Step 1 in the side bar: which data sets there are. */
const search: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-pelagos:search',
  description: 'Marine data: searches the catalogue for data sets.',
  autoStart: true,
  requires: [IPelagos, IPelagosPanel],
  activate: (_: JupyterFrontEnd, pelagos: IPelagos, panel: IPelagosPanel): void => {
    panel.add({
      id: 'search',
      title: pelagos.trans.__('Search'),
      icon: searchIcon,
      rank: 10,
      load: async () => (await import('./section')).searchSection(pelagos)
    });
  }
};

export const plugins: JupyterFrontEndPlugin<unknown>[] = [search];
