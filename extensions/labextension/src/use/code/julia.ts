import { TranslationBundle } from '@jupyterlab/translation';

import { Format, ILanguage } from './material';
import { plainCell } from './plain';
import { comment, escapeUnicode, quoted } from './text';

/** A Julia string: `$` would put in the value of a variable. */
export function quote(text: string): string {
  return quoted(text, '$', character =>
    /\p{Cs}/u.test(character) ? '\ufffd' : escapeUnicode(character)
  );
}

export const julia: ILanguage = {
  quote,
  cell: (material, trans) => plainCell({ quote, list, open }, material, trans)
};

function list(paths: string[]): string[] {
  return ['files = [', ...paths.map(path => `    ${quote(path)},`), ']'];
}

function open(format: Format, path: string, trans: TranslationBundle): string[][] {
  switch (format) {
    case 'netcdf':
      return [['using NCDatasets'], [`data = NCDataset(${path})`]];
    case 'csv':
      return [['using CSV, DataFrames'], [`data = CSV.read(${path}, DataFrame)`]];
    default:
      return [
        [
          ...comment(
            trans.__(
              'Neither %1 nor %2 opens this format. Here is the path:',
              'NCDatasets',
              'CSV'
            )
          ),
          `path = ${path}`
        ]
      ];
  }
}
