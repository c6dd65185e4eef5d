import { TranslationBundle } from '@jupyterlab/translation';

import { Format, ILanguage } from './material';
import { plainCell } from './plain';
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

export const r: ILanguage = {
  quote,
  cell: (material, trans) => plainCell({ quote, list, open }, material, trans)
};

function list(paths: string[]): string[] {
  return ['files <- c(', paths.map(path => `  ${quote(path)}`).join(',\n'), ')'];
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
