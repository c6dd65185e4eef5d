import { TranslationBundle } from '@jupyterlab/translation';

import { areaOf } from '../search/criteria';
import { periodOf } from '../search/times';
import { IBasketItem, ICut } from '../types';

/** Granules of one data set. */
export interface IGroup {
  collection: string;
  title: string;
  items: IBasketItem[];
  /** Bytes of those whose size is known, and how many have none. */
  known: number;
  unknown: number;
}

export function groupsOf(items: IBasketItem[]): IGroup[] {
  const groups = new Map<string, IGroup>();
  for (const item of items) {
    let group = groups.get(item.collection);
    if (!group) {
      const { collection, collection_title: title } = item;
      group = { collection, title: title || collection, items: [], known: 0, unknown: 0 };
      groups.set(item.collection, group);
    }
    group.items.push(item);
    group.known += item.size ?? 0;
    group.unknown += item.size === null ? 1 : 0;
  }
  return [...groups.values()];
}

/** The different cuts of what is in the basket. */
export function cutsOf(items: IBasketItem[]): ICut[] {
  const cuts = new Map<string, ICut>();
  for (const { cut } of items) {
    if (cut && (cut.bbox || cut.start || cut.end)) {
      cuts.set(JSON.stringify([cut.bbox, cut.start, cut.end]), cut);
    }
  }
  return [...cuts.values()];
}

/** `North Sea · from 2020-01-01`; empty for none. */
export function cutText(cut: ICut | null, trans: TranslationBundle): string {
  const area = cut?.bbox ? areaOf(cut.bbox, trans) : '';
  return [area, cut && periodOf(cut.start, cut.end, trans)].filter(Boolean).join(' · ');
}
