import { TranslationBundle } from '@jupyterlab/translation';

import {
  Format,
  ILanguage,
  Material,
  citationLines,
  formatOf,
  notHere,
  openable,
  orderFirst,
  source
} from './material';
import { comment, escapeUnicode, quoted } from './text';

/** An R string. It can't have NUL, nor halves of pairs of UTF-16. */
export function quote(text: string): string {
  return quoted(text, '', character =>
    character === '\0'
      ? ''
      : /\p{Cs}/u.test(character)
        ? '\ufffd'
        : escapeUnicode(character)
  );
}

export const r: ILanguage = { quote, cell };

function cell(material: Material, trans: TranslationBundle): string {
  const cited = citationLines(material.citations, trans);
  switch (material.kind) {
    case 'granule':
      return source(
        orderFirst(material.collection, material.item, material.title, trans),
        cited
      );
    case 'file':
      return source(
        cited,
        ...open(formatOf(material.path, material.type), quote(material.path), trans)
      );
    case 'order': {
      const { order, files } = material;
      const found = openable(files, ['netcdf', 'csv', 'other', 'zarr']);
      if (!found) {
        return source(notHere(order, trans), cited);
      }
      const [first] = found.paths;
      return source(
        [...comment(order.title), ...cited],
        ...(found.paths.length > 1
          ? [
              [
                ...comment(
                  trans.__(
                    'The first is opened below; put another index for another one.'
                  )
                ),
                'files <- c(',
                found.paths.map(path => `  ${quote(path)}`).join(',\n'),
                ')'
              ],
              ...open(found.format, 'files[1]', trans)
            ]
          : open(found.format, quote(first), trans))
      );
    }
  }
}

function open(format: Format, path: string, trans: TranslationBundle): string[][] {
  switch (format) {
    case 'netcdf':
      return [
        ['library(ncdf4)'],
        [`data <- nc_open(${path})`, 'print(data)', 'names(data$var)']
      ];
    case 'csv':
      return [[`data <- read.csv(${path}, check.names = FALSE)`, 'head(data)']];
    default:
      return [
        [
          ...comment(
            trans.__(
              'Neither %1 nor %2 opens this format. Here is the path:',
              'ncdf4',
              'read.csv'
            )
          ),
          `path <- ${path}`,
          'path'
        ]
      ];
  }
}
