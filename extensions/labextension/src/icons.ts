import { LabIcon } from '@jupyterlab/ui-components';

const WAVE = 'c3-3 5-3 7 0s5 3 7 0 4-2.5 6-.5';

/** Three waves. */
export const pelagosIcon = new LabIcon({
  name: 'jupyterlab-pelagos:icon',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">' +
    '<path class="jp-Pelagos-waves" fill="none" stroke="#616161" stroke-width="2.2" ' +
    `stroke-linecap="round" d="M2 7${WAVE}M2 13${WAVE}M2 19${WAVE}"/></svg>`
});
