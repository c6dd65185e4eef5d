import { TranslationBundle } from '@jupyterlab/translation';

import * as format from '../common/format';
import { IOrder } from '../types';

/** A state of an order, in words. */
export function stateText(trans: TranslationBundle, state: string): string {
  const words: Record<string, string> = {
    queued: trans.__('Queued'),
    fetching: trans.__('Fetching'),
    waiting: trans.__('Waiting for its source'),
    verifying: trans.__('Verifying'),
    ready: trans.__('Ready'),
    failed: trans.__('Failed'),
    cancelled: trans.__('Cancelled'),
    expired: trans.__('Expired')
  };
  return words[state] ?? state;
}

/** A state of a file: languages with genders have other words for it than for an order. */
export function fileStateText(trans: TranslationBundle, state: string): string {
  const words: Record<string, string> = {
    queued: trans._p('file', 'Queued'),
    fetching: trans._p('file', 'Fetching'),
    waiting: trans._p('file', 'Waiting for its source'),
    ready: trans._p('file', 'Ready'),
    present: trans._p('file', 'Ready'),
    absent: trans._p('file', 'Gone'),
    empty: trans._p('file', 'No data in it'),
    failed: trans._p('file', 'Failed')
  };
  return words[state] ?? state;
}

/** What an order is called. */
export function nameOf(trans: TranslationBundle, order: IOrder): string {
  return order.title || trans.__('Order %1', order.number || order.id);
}

/** `12 of 24 files · 1.1 of 2 GiB`. */
export function amountText(trans: TranslationBundle, order: IOrder): string {
  const { files, bytes, state } = order;
  const parts: string[] = [];
  if (state === 'ready') {
    parts.push(trans._n('%1 file', '%1 files', files.total));
    parts.push(format.bytes(Math.max(bytes.known, bytes.done)));
  } else {
    parts.push(
      trans._n('%2 of %1 file', '%2 of %1 files', files.total, format.number(files.ready))
    );
    if (bytes.known > 0) {
      parts.push(
        trans.__('%1 of %2', format.bytes(bytes.done), format.bytes(bytes.known)) +
          (bytes.unknown > 0
            ? ` ${trans._n('+ %1 file of unknown size', '+ %1 files of unknown size', bytes.unknown)}`
            : '')
      );
    }
  }
  if (files.failed > 0) {
    parts.push(trans._n('%1 failed', '%1 failed', files.failed));
  }
  if (files.waiting > 0 && state !== 'ready') {
    parts.push(
      trans._n('%1 waits for its source', '%1 wait for their source', files.waiting)
    );
  }
  return parts.join(' · ');
}

/** All states of the orders in a sentence each, for who does not see them change. */
export function newsText(
  trans: TranslationBundle,
  orders: IOrder[],
  before: ReadonlyMap<string, string>
): string {
  return orders
    .filter(one => before.has(one.id) && before.get(one.id) !== one.state)
    .map(one =>
      trans.__('%1: %2.', nameOf(trans, one), stateText(trans, one.state).toLowerCase())
    )
    .join(' ');
}
