import { TranslationBundle } from '@jupyterlab/translation';

import { ICitation, ICriteria, IOrder, IOrderFile } from '../../types';
import { licenceBegun } from './licence';
import { comment } from './text';

/** What a cell is made of, all looked up. */
export type Material =
  | {
      kind: 'order';
      order: IOrder;
      /** Those that are here; `more`: there are others. */
      files: IOrderFile[];
      more: boolean;
      /** Whether its files may go together into one. */
      joinable: boolean;
      citations: ICitation[];
    }
  | { kind: 'file'; path: string; type: string; citations: ICitation[] }
  | {
      kind: 'granule';
      /** Address of another catalogue than that of the VRE, else empty. */
      catalogue: string;
      collection: string;
      item: string;
      title: string;
      citations: ICitation[];
    };

/** A search, to be repeated. */
export interface IQuery {
  criteria: ICriteria;
  collections: string[];
  /** As in Material. */
  catalogue: string;
}

/** A language that code can be made for. */
export interface ILanguage {
  quote(text: string): string;
  cell(material: Material, trans: TranslationBundle): string;
}

export type Format = 'netcdf' | 'zarr' | 'csv' | 'other';

const CITED = 5;

/** What a file is, by its media type and name. */
export function formatOf(path: string, type: string): Format {
  const name = path.toLowerCase().replace(/\/+$/, '');
  const media = type.toLowerCase();
  if (/\.(nc|nc4|cdf|netcdf|h5nc)$/.test(name) || media.includes('netcdf')) {
    return 'netcdf';
  }
  if (name.endsWith('.zarr') || media.includes('zarr')) {
    return 'zarr';
  }
  return name.endsWith('.csv') || /^text\/csv\b/.test(media) ? 'csv' : 'other';
}

/** How it wants to be cited, as lines of comment. */
export function citationLines(
  citations: ICitation[],
  trans: TranslationBundle
): string[] {
  const lines = citations.slice(0, CITED).flatMap(one => {
    const doi =
      one.doi && !one.text.includes(one.doi) ? ` https://doi.org/${one.doi}` : '';
    const licence = licenceBegun(one);
    return [
      ...comment(trans.__('Cite: %1', `${one.text || one.title}${doi}`)),
      ...(licence ? comment(trans.__('Licence: %1', licence)) : [])
    ];
  });
  const more = citations.length - CITED;
  return more > 0
    ? [
        ...lines,
        ...comment(trans._n('… and %1 more data set', '… and %1 more data sets', more))
      ]
    : lines;
}

/** Source of a cell: parts with an empty line between, empty ones left out. */
export function source(...parts: string[][]): string {
  return parts
    .filter(part => part.length)
    .map(part => part.join('\n'))
    .join('\n\n');
}

/** Files of an order that one function can open: those of the most useful format. */
export function openable(
  files: IOrderFile[],
  formats: Format[]
): { format: Format; paths: string[] } | null {
  for (const format of formats) {
    const paths = files
      .filter(file => file.local && formatOf(file.local, file.type) === format)
      .map(file => file.local as string);
    if (paths.length) {
      return { format, paths };
    }
  }
  return null;
}
