import { TranslationBundle } from '@jupyterlab/translation';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { ApiError, missingError } from '../api';
import { IPelagos } from '../tokens';
import { ICitation, IOrder } from '../types';
import { copyText } from './clipboard';
import { oneLine } from './code/text';

/** The newest order that is ready, null if there is none. Raises ApiError. */
export async function lastOrder({ api }: Pick<IPelagos, 'api'>): Promise<IOrder | null> {
  const { orders, missing } = await api.orders();
  const ready = orders.filter(order => order.state === 'ready');
  if (!ready.length && missing) {
    throw missingError(missing);
  }
  const when = (order: IOrder) => order.created ?? '';
  return ready.reduce<IOrder | null>(
    (best, order) => (best && when(best) >= when(order) ? best : order),
    null
  );
}

/**
 * Copy the citations of an order, of a granule, or else of the newest order.
 *
 * Gives what a person is told. Raises ApiError, also if there are none.
 */
export async function copyCitations(
  shared: Pick<IPelagos, 'api' | 'trans'>,
  args: ReadonlyPartialJSONObject
): Promise<string> {
  const { api, trans } = shared;
  let found: ICitation[] = [];
  if (args.collection && args.item) {
    const details = await api.granule(
      String(args.catalogue ?? ''),
      String(args.collection),
      String(args.item)
    );
    found = details.citation;
  } else {
    const id = args.order ? String(args.order) : (await lastOrder(shared))?.id;
    if (!id) {
      throw new ApiError(404, trans.__('None of your orders is ready.'), '');
    }
    found = await api.citations(id);
  }
  const lines = found.map(citationText).filter(Boolean);
  if (!lines.length) {
    throw new ApiError(
      404,
      trans.__('Its source does not say how it wants to be cited.'),
      trans.__('Look at the page of the data set.')
    );
  }
  await copyText(lines.join('\n'));
  return copiedText(trans, lines.length);
}

/** What a person is told who copied so many citations. */
export function copiedText(trans: TranslationBundle, count: number): string {
  return trans._n('The citation was copied.', '%1 citations were copied.', count);
}

/** A citation as a line of text, with its DOI. */
export function citationText(one: ICitation): string {
  const doi = one.doi && !one.text.includes(one.doi) ? `https://doi.org/${one.doi}` : '';
  return oneLine([one.text || one.title, doi].filter(Boolean).join(' '));
}

/** A path for the file browser: what is absolute becomes relative to its root. Raises ApiError. */
export async function contentsPath(
  shared: Pick<IPelagos, 'about' | 'trans'>,
  path: string
): Promise<string> {
  if (!path.startsWith('/')) {
    return path;
  }
  const { trans } = shared;
  const { root } = await shared.about();
  const base = root.replace(/\/+$/, '');
  if (path !== base && !path.startsWith(`${base}/`)) {
    throw new ApiError(
      404,
      trans.__('The file browser does not show %1.', path),
      trans.__('Open it in a terminal or by code.')
    );
  }
  return path.slice(base.length + 1);
}
