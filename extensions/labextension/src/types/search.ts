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
