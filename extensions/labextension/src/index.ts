import { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { panel, session } from './plugin';

export { IPelagos, IPelagosPanel, CommandIDs } from './tokens';
export * from './types';

const plugins: JupyterFrontEndPlugin<unknown>[] = [session, panel];
export default plugins;
