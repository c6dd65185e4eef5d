import { LabIcon } from '@jupyterlab/ui-components';

const icon = (name: string, path: string) =>
  new LabIcon({
    name: `jupyterlab-pelagos:${name}`,
    svgstr:
      '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">' +
      `<path class="jp-icon3" fill="#616161" d="${path}"/></svg>`
  });

/** A basket with a handle. */
export const basketIcon = icon(
  'basket',
  'M7.6 10 11 4.4l1.7 1L9.9 10h4.2l-2.8-4.6 1.7-1L16.4 10H21a1 1 0 0 1 1 1.2l-1.7 7.6A1.6 1.6 ' +
    '0 0 1 18.7 20H5.3a1.6 1.6 0 0 1-1.6-1.2L2 11.2A1 1 0 0 1 3 10Zm-3.4 2 1.4 6h12.8l1.4-6Z' +
    'M8 13.5h2V17H8Zm6 0h2V17h-2Z'
);

/** A box into which something falls. */
export const ordersIcon = icon(
  'orders',
  'M11 3h2v8.2l2.8-2.8 1.4 1.4L12 15l-5.2-5.2 1.4-1.4 2.8 2.8ZM3 14h2v5h14v-5h2v5.5a1.5 1.5 0 ' +
    '0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 19.5Z'
);
