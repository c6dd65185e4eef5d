import { TranslationBundle } from '@jupyterlab/translation';

import { IOrder } from '../../types';
import { Format, Material, citationLines, formatOf, openable, source } from './material';
import { comment } from './text';

/** How a language without `pelagos_client` opens a path, which is given as an expression. */
export interface IOpener {
  quote(text: string): string;
  /** Several paths as `files`. */
  list(paths: string[]): string[];
  open(format: Format, path: string, trans: TranslationBundle): string[][];
}

/** A cell in such a language: it opens what is on this server, and says what is not. */
export function plainCell(
  { quote, list, open }: IOpener,
  material: Material,
  trans: TranslationBundle
): string {
  const cited = citationLines(material.citations, trans);
  switch (material.kind) {
    case 'granule':
      return source(orderFirst(material, trans), cited);
    case 'file':
      return source(
        cited,
        ...open(formatOf(material.path, material.type), quote(material.path), trans)
      );
    case 'order': {
      const { order, files, more } = material;
      const found = openable(files, ['netcdf', 'csv', 'other', 'zarr']);
      if (!found) {
        return source(notHere(order, trans), cited);
      }
      const { format, paths } = found;
      const head = [...comment(order.title), ...cited];
      if (paths.length === 1 && !more) {
        return source(head, ...open(format, quote(paths[0]), trans));
      }
      const told = [
        trans.__('The first is opened below; put another number for another one.'),
        ...(more ? [trans.__('The others are in %1', order.folder)] : [])
      ];
      return source(
        head,
        [...told.flatMap(comment), ...list(paths)],
        ...open(format, 'files[1]', trans)
      );
    }
  }
}

/** What is told of a granule that is not on this server. */
function orderFirst(
  { collection, item, title }: Extract<Material, { kind: 'granule' }>,
  trans: TranslationBundle
): string[] {
  return [
    ...comment(title || item),
    ...comment(trans.__('Data set %1, granule %2', collection, item)),
    ...comment(
      trans.__(
        'It is not on this server yet. Put it into the basket, order it, and add the order to the notebook when it is ready.'
      )
    )
  ];
}

function notHere(order: IOrder, trans: TranslationBundle): string[] {
  return [
    ...comment(order.title || trans.__('Order %1', order.number || order.folder)),
    ...comment(
      trans.__(
        'None of its files is on this server yet. Add it to the notebook again when it is ready.'
      )
    )
  ];
}
