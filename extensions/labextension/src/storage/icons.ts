import { LabIcon } from '@jupyterlab/ui-components';

/** A stack of disks. */
export const storageIcon = new LabIcon({
  name: 'jupyterlab-pelagos:storage',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">' +
    '<path class="jp-icon3" fill="#616161" d="M12 2.5c4.7 0 8.5 1.5 8.5 3.6v11.8c0 2.1-3.8 3.6-8.5 ' +
    '3.6s-8.5-1.5-8.5-3.6V6.1C3.5 4 7.3 2.5 12 2.5Zm0 2c-4 0-6.5 1.1-6.5 1.6s2.5 1.6 6.5 1.6 ' +
    '6.5-1.1 6.5-1.6-2.5-1.6-6.5-1.6Zm-6.5 4v3.4c0 .5 2.5 1.6 6.5 1.6s6.5-1.1 6.5-1.6V8.5c-1.6.8-4 ' +
    '1.2-6.5 1.2s-4.9-.4-6.5-1.2Zm0 5.8v3.6c0 .5 2.5 1.6 6.5 1.6s6.5-1.1 6.5-1.6v-3.6c-1.6.8-4 1.2-6.5 ' +
    '1.2s-4.9-.4-6.5-1.2Z"/></svg>'
});
