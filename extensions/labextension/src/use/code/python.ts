import { TranslationBundle } from '@jupyterlab/translation';

import { FACETS, IOrder } from '../../types';
import { begun } from './words';
import { ILanguage, IQuery, Material, citationLines, formatOf, source } from './material';
import { comment, quoted } from './text';

const IMPORT = 'import pelagos_client as pelagos';

/** A Python string. */
export function quote(text: string): string {
  return quoted(text);
}

export const python: ILanguage = { quote, cell };

function cell(material: Material, trans: TranslationBundle): string {
  const cited = citationLines(material.citations, trans);
  switch (material.kind) {
    case 'order':
      return source(
        [...title(material.order, trans), ...cited],
        [IMPORT],
        [...ofOrder(material, trans), 'data']
      );
    case 'file':
      return source(cited, ...ofFile(material.path, material.type));
    case 'granule': {
      const { collection, item, catalogue } = material;
      const where = catalogue ? `, url=${quote(catalogue)}` : '';
      return source(
        [...comment(material.title), ...cited],
        [IMPORT],
        [
          `items = pelagos.search(ids=[${quote(item)}], collections=[${quote(collection)}]${where})`,
          `data = pelagos.open(items${hosts(catalogue)})`,
          'data'
        ]
      );
    }
  }
}

function title(order: IOrder, trans: TranslationBundle): string[] {
  const name = order.number ? trans.__('Order %1', order.number) : order.folder;
  return comment(order.title ? `${name}: ${order.title}` : name);
}

function ofOrder(
  { order, joinable }: Extract<Material, { kind: 'order' }>,
  trans: TranslationBundle
): string[] {
  // a number counts in the data pool, or in the folder where a notebook runs
  const pooled = order.to === 'dataspace' || order.to === 'workspace';
  const which = pooled && order.number ? String(order.number) : quote(order.folder);
  const last = {
    ready: '',
    failed: '.retry().wait()',
    cancelled: '.retry().wait()',
    expired: '.retry().wait()'
  }[order.state as string];
  const lines = [
    `order = pelagos.get(${which})${last ?? '.wait()'}`,
    'data = pelagos.open(order)'
  ];
  if (joinable) {
    lines.push(
      ...comment(
        trans.__('Several files, each opened when it is asked for. All joined:')
      ),
      '# data = pelagos.open(order, combine=True)'
    );
  }
  return lines;
}

function ofFile(path: string, type: string): string[][] {
  switch (formatOf(path, type)) {
    case 'netcdf':
      return [
        ['import xarray as xr'],
        [`data = xr.open_dataset(${quote(path)})`, 'data']
      ];
    case 'zarr':
      return [['import xarray as xr'], [`data = xr.open_zarr(${quote(path)})`, 'data']];
    default:
      // knows ODV, units in the second row, and what separates the columns
      return [[IMPORT], [`data = pelagos.open(${quote(path)})`, 'data']];
  }
}

/** A script that searches the same again. */
export function searchScript(query: IQuery, trans: TranslationBundle): string {
  const { criteria, collections, catalogue } = query;
  const where = [
    ...(criteria.bbox ? [`bbox=(${criteria.bbox.map(number).join(', ')}),`] : []),
    ...(criteria.start || criteria.end
      ? [`datetime=${quote(`${criteria.start ?? '..'}/${criteria.end ?? '..'}`)},`]
      : [])
  ];
  const typed = criteria.q.trim();
  const words = typed ? [`${quote(catalogue ? typed : begun(typed))},`] : [];
  const url = catalogue ? [`url=${quote(catalogue)},`] : [];
  const facets = catalogue
    ? [] // no API but the VRE's has such parameters
    : FACETS.filter(name => criteria.facets[name]?.length).map(
        name => `${name}=${list(criteria.facets[name] as string[])},`
      );
  const start = [
    ...comment(trans.__('Search the catalogue as in the panel “Marine data”.')),
    IMPORT
  ];
  const then = [
    ...comment(trans.__('Order what was found, and open it:')),
    '# pelagos.estimate(items)',
    '# order = pelagos.order(items).wait()',
    '# data = pelagos.open(order)'
  ];
  if (catalogue && words.length) {
    // most other catalogues find words in data sets only
    const chosen = collections.length
      ? [[`names = ${list(collections, '')}`]]
      : [
          call('found', 'pelagos.collections', [...words, ...where, ...url]),
          [
            'names = found.ids',
            `assert names, ${quote(trans.__('No data set has these words.'))}`
          ]
        ];
    const items = call('items', 'pelagos.search', [
      'collections=names,',
      ...where,
      ...url
    ]);
    const asked = collections.length
      ? comment(trans.__('The words that were searched for: %1', criteria.q))
      : [];
    return source(start, ...chosen, [...asked, ...items], then, ['items']);
  }
  const named = collections.length ? [`collections=${list(collections)},`] : [];
  return source(
    start,
    call('items', 'pelagos.search', [...words, ...named, ...where, ...facets, ...url]),
    then,
    ['items']
  );
}

/**
 * The place of a catalogue that `open` would take for a private one, though somebody chose it: one
 * with a port of its own, an address in place of a name, or a name of a local network.
 */
function hosts(catalogue: string): string {
  try {
    const { host, hostname, port } = new URL(catalogue);
    const local =
      port ||
      !/\.[a-z]/i.test(hostname) ||
      /\.(local|lan|internal|home|corp)$/i.test(hostname);
    return local ? `, private_hosts=[${quote(host)}]` : '';
  } catch {
    return '';
  }
}

function call(name: string, of: string, lines: string[]): string[] {
  return lines.length
    ? [`${name} = ${of}(`, ...lines.map(line => `    ${line}`), ')']
    : [`${name} = ${of}()`];
}

function list(texts: string[], indent = '    '): string {
  const one = `[${texts.map(quote).join(', ')}]`;
  return one.length <= 72
    ? one
    : ['[', ...texts.map(text => `${indent}    ${quote(text)},`), `${indent}]`].join(
        '\n'
      );
}

/** A number of degrees, which is finite: see `isBox`. */
function number(value: number): string {
  return String(Number(value));
}
