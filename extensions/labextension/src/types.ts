/**
 * What the server extension and this extension tell each other, as JSON.
 *
 * The same names stand in `jupyterlab_pelagos/models.py`. Sizes are bytes, times RFC 3339 in UTC,
 * places degrees in WGS 84.
 */

/** West, south, east, north in degrees; west of more than east crosses the antimeridian. */
export type Box = [number, number, number, number];

export const FACETS = [
  'infrastructure',
  'parameter',
  'platform',
  'instrument',
  'licence'
] as const;
export type FacetName = (typeof FACETS)[number];

/** What is looked for. `start` and `end` are dates or times; both ends are included. */
export interface ICriteria {
  q: string;
  bbox: Box | null;
  start: string | null;
  end: string | null;
  facets: Partial<Record<FacetName, string[]>>;
}

export const NO_CRITERIA: ICriteria = {
  q: '',
  bbox: null,
  start: null,
  end: null,
  facets: {}
};

/** A page of a search. `catalogue` empty: that of the VRE, or what the server is configured for. */
export interface ISearchRequest {
  criteria: ICriteria;
  catalogue?: string;
  /** Of granules: these data sets only. */
  collections?: string[];
  /** A property, with `-` before it from high to low: `-datetime`, `title`, `size`. */
  sortby?: string;
  limit?: number;
  /** Where to go on: `next` of the page before. */
  next?: string | null;
}

export interface ILicence {
  id: string;
  title: string;
  url: string;
}

/** A data set: step 1. */
export interface ICollection {
  id: string;
  title: string;
  description: string;
  /** Who offers it, as a person knows it; empty if unknown. */
  infrastructure: string;
  parameters: string[];
  keywords: string[];
  boxes: Box[];
  start: string | null;
  end: string | null;
  licence: ILicence;
  doi: string;
  /** A page about it. */
  url: string;
}

/** `matched`: exact count, null where nobody counted; `matched_text` is for people (`10,000+`). */
export interface IPage {
  matched: number | null;
  matched_text: string;
  next: string | null;
}

export interface ICollectionsPage extends IPage {
  collections: ICollection[];
}

/** How many granules of each data set match; null where the catalogue does not tell. */
export type IMatches = Record<string, { count: number | null; text: string }>;

/** A granule in a list: step 2. Small, so that 10,000 of them are. */
export interface IGranule {
  collection: string;
  id: string;
  title: string;
  bbox: Box | null;
  /** Point, line or ring of at most some dozen positions; null: the box is all that is known. */
  shape: GeoJSON.Geometry | null;
  start: string | null;
  end: string | null;
  /** Of all its data; null if a size is unknown. */
  size: number | null;
  files: number;
  platform: string;
  /** Media types or formats, for people: `NetCDF`. */
  formats: string[];
}

export interface IGranulesPage extends IPage {
  granules: IGranule[];
}

export interface IAsset {
  key: string;
  title: string;
  type: string;
  format: string;
  size: number | null;
  roles: string[];
  url: string;
  /** Whether an order would fetch it. */
  data: boolean;
}

/** All that is known of a granule. */
export interface IGranuleDetails extends IGranule {
  description: string;
  properties: { name: string; value: string }[];
  assets: IAsset[];
  licence: ILicence;
  citation: ICitation[];
  /** Where it is on this server already, if it was ordered: a path that a kernel can open. */
  path: string | null;
}

export interface ICitation {
  title: string;
  text: string;
  doi: string;
  licence: string;
  licence_text: string;
  url: string;
}

export interface IFacetValue {
  value: string;
  title: string;
  count: number;
}

/** `partial`: only the `counted` newest were looked at. A catalogue without facets has none. */
export interface IFacets {
  counted: number;
  partial: boolean;
  facets: Partial<Record<FacetName, IFacetValue[]>>;
}

/** An axis or a variable of a preview; null is a missing value. */
export interface IPreviewAxis {
  name: string;
  label: string;
  units: string;
  values: (number | null)[];
}

/**
 * A quick look at data. `profile`: `x` over `y`, which is depth or pressure and grows downwards;
 * `series`: `y` over `x`, whose values are milliseconds since 1970; `map`: `z` row by row, `y`
 * (latitude) from south to north, `x` (longitude) from west to east.
 */
export interface IPreview {
  kind: 'profile' | 'series' | 'map';
  title: string;
  x: IPreviewAxis;
  y: IPreviewAxis;
  z: IPreviewAxis | null;
  /** Other variables that could be shown. */
  variables: string[];
  notes: string[];
}

/** `path` or a granule; `variable` one of `variables` of the preview before. */
export interface IPreviewRequest {
  catalogue?: string;
  collection?: string;
  item?: string;
  path?: string;
  variable?: string;
}

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

export interface ITerms {
  key: string;
  title: string;
  text: string;
  url: string;
}

export interface IRefusal {
  collection: string;
  item: string;
  reason: string;
}

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

export interface IUpload {
  name: string;
  reason: string;
  tries: number;
  next_try: number;
}

export interface IWorkspaceStatus {
  state: 'mounted' | 'mounting' | 'unavailable' | 'leaving' | 'absent';
  reason: string;
  pending: number;
  pending_bytes: number;
  failed: IUpload[];
  used: number | null;
  total: number | null;
}

export interface IAreaStatus {
  name: string;
  used: number | null;
  quota: number | null;
  enforced: boolean;
  state: string;
  reason: string;
  /** Seconds after the last change. */
  expires_after: number;
  /** Unix times, soonest first. */
  next: { path: string; expires: number }[];
  pins: { path: string; until: number }[];
}

/** A copy from dataspace to workspace. `progress` from 0 to 1, null if unknown. */
export interface IKeeping {
  id: string;
  area: string;
  path: string;
  state: 'running' | 'done' | 'failed';
  message: string;
  started: string;
}

/** `killed`: kernels that this server lost for want of memory since it started. */
export interface IServerStatus {
  cores: number;
  memory_limit: number | null;
  memory_used: number | null;
  home_free: number | null;
  home_total: number | null;
  killed: number;
  killed_at: string | null;
}

/** Storage and server at a glance. `reason` says why workspace and dataspace are not told of. */
export interface IStorage {
  workspace: IWorkspaceStatus | null;
  dataspace: { areas: IAreaStatus[] } | null;
  reason: string;
  mend: string;
  keeping: IKeeping[];
  server: IServerStatus;
}

/** What this server is and can. */
export interface IAbout {
  version: string;
  /** Whether a VRE's services are behind it. */
  hub: boolean;
  /** Configured catalogue: `vre`, `url` (a STAC API of the server's configuration) or `none`. */
  catalogue: 'vre' | 'url' | 'none';
  catalogue_url: string;
  /** Whether the VRE's data pool takes orders; else they go into a folder. */
  datapool: boolean;
  workspace: boolean;
  dataspace: boolean;
  virtual_lab: string;
  virtual_lab_title: string;
  /** Absolute path that the file browser shows as its root. */
  root: string;
  /** Pages of the hub for a person, by name; without a hub none. */
  links: { home?: string; storage?: string; orders?: string; catalogue?: string };
}

/** What changed, as a Jupyter event: never more than a reason to ask. */
export interface IChange {
  kind: 'order' | 'basket' | 'storage' | 'memory';
  id: string;
  sequence: number;
}

/** Why something was not done, and what to do next. */
export interface IProblem {
  reason: string;
  mend: string;
  refused?: IRefusal[];
  accept?: ITerms[];
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
