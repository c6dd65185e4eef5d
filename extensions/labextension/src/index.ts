import { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { plugins as granules } from './granules/plugin';
import { plugins as orders } from './orders/plugin';
import { panel, session } from './plugin';
import { plugins as search } from './search/plugin';
import { plugins as storage } from './storage/plugin';
import { plugins as use } from './use/plugin';

export { CommandIDs, IPelagos, IPelagosPanel } from './tokens';
export * from './types';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  session,
  panel,
  ...search,
  ...granules,
  ...orders,
  ...storage,
  ...use
];
export default plugins;
