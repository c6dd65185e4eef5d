import { IProblem, IRefusal, ITerms } from './problem';
import { Box, ICriteria } from './search';

/** What a source that can cut is asked to cut out. */
export interface ICut {
  bbox: Box | null;
  start: string | null;
  end: string | null;
}

export interface IBasketItem {
  catalogue: string;
  collection: string;
  id: string;
  title: string;
  collection_title: string;
  size: number | null;
  files: number;
  /** Asset keys; null: all data. */
  assets: string[] | null;
  cut: ICut | null;
}

/** `to`: `dataspace`, `workspace`, or a folder below the home; `query`: what was searched last. */
export interface IBasket {
  revision: number;
  items: IBasketItem[];
  to: string;
  title: string;
  cut: boolean;
  query: ICriteria | null;
}

export type IBasketChange =
  | { kind: 'add'; items: IBasketItem[]; query: ICriteria | null }
  | { kind: 'remove'; items: { collection: string; id: string }[] }
  | { kind: 'clear' }
  | { kind: 'set'; to?: string; title?: string; cut?: boolean };

export interface IEstimate {
  files: number;
  /** Bytes of files whose size is known, and how many have none. */
  known: number;
  unknown: number;
  /** Bytes that are there already. */
  cached: number;
  free: number;
  fits: boolean;
  reason: string;
  accept: ITerms[];
  refused: IRefusal[];
}

export type OrderState =
  | 'queued'
  | 'fetching'
  | 'waiting'
  | 'verifying'
  | 'ready'
  | 'failed'
  | 'cancelled'
  | 'expired';

/** An order. `id` is what the routes take; `number` is 0 where a person named the folder. */
export interface IOrder {
  id: string;
  number: number;
  state: OrderState;
  title: string;
  to: string;
  created: string | null;
  finished: string | null;
  expires: string | null;
  /** Grows with every change of this order. */
  sequence: number;
  files: {
    total: number;
    ready: number;
    failed: number;
    waiting: number;
    cached: number;
  };
  bytes: { known: number; unknown: number; done: number };
  /** Absolute path in this server, empty while there is none. */
  folder: string;
  /** The same for the file browser, null where it does not reach. */
  contents: string | null;
  error: string;
  next_step: string;
  notes: string[];
  can_cancel: boolean;
  can_retry: boolean;
}

/** All, the newest first. `missing`: why those of the data pool are not among them. */
export interface IOrders {
  orders: IOrder[];
  missing: IProblem | null;
}

export interface IOrderFile {
  /** Below the order's folder. */
  path: string;
  collection: string;
  item: string;
  asset: string;
  state: string;
  size: number | null;
  done: number;
  type: string;
  error: string;
  notes: string[];
  /** Absolute path in this server once it is there, else null. */
  local: string | null;
}

export interface IOrderFiles {
  files: IOrderFile[];
  next: number | null;
}

/** What code can be made for, as `CommandIDs.insert` takes it. */
export type IUsable =
  | { kind: 'order'; order: IOrder }
  | {
      kind: 'file';
      /** Absolute path in this server. */
      path: string;
      type: string;
      collection: string;
      item: string;
      /** The order that it belongs to, for its citation; empty if unknown. */
      order: string;
    }
  | {
      kind: 'granule';
      catalogue: string;
      collection: string;
      item: string;
      title: string;
    };

/** Type of what is dragged from our lists: an IUsable as JSON. */
export const DRAG_TYPE = 'application/vnd.pelagos.usable+json';
