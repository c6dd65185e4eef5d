import { IApi } from '../api';
import { IPelagos } from '../tokens';
import { ICitation, IOrder, IOrderFile, IUsable } from '../types';
import { Material } from './code';
import { within } from './notebook';

/** Milliseconds that a citation is waited for: the code is wanted now. */
const CITATION_WAIT = 6000;
/** Paths that stand in a cell. */
const FILES = 50;

/**
 * What a cell is for: the same thing has the same key, whatever is known of it.
 *
 * So a granule has one cell, whether it is opened from the catalogue or from a file of it that is here.
 */
export function keyOf(what: IUsable): string {
  switch (what.kind) {
    case 'order':
      return `order:${what.order.id}`;
    case 'file':
      return what.order || !what.collection || !what.item
        ? `file:${what.path}`
        : `granule:${JSON.stringify([what.collection, what.item])}`;
    case 'granule':
      return `granule:${JSON.stringify([what.collection, what.item])}`;
  }
}

/** For people: what is added. */
export function nameOf(what: IUsable): string {
  switch (what.kind) {
    case 'order':
      return what.order.title || String(what.order.number || what.order.folder);
    case 'file':
      return what.path.split('/').pop() || what.path;
    case 'granule':
      return what.title || what.item;
  }
}

/** Address of another catalogue than the VRE's, else empty. */
export async function catalogueOf(
  shared: Pick<IPelagos, 'about' | 'settings'>,
  given: string
): Promise<string> {
  const named = given || shared.settings.catalogueUrl;
  if (named) {
    return named;
  }
  const told = await shared.about();
  return told.catalogue === 'url' ? told.catalogue_url : '';
}

/**
 * All that code is made of. `paths`: the language needs the paths of an order's files.
 *
 * A citation that can't be had now is left out; errors of what is needed are raised.
 */
export async function gather(
  shared: Pick<IPelagos, 'api' | 'about' | 'settings'>,
  what: IUsable,
  paths: boolean
): Promise<Material> {
  const { api } = shared;
  switch (what.kind) {
    case 'order': {
      const [order, citations, found, joinable] = await Promise.all([
        within(api.showOrder(what.order.id), CITATION_WAIT, what.order),
        citationsOf(api, what.order.id),
        paths ? filesOf(api, what.order.id) : { files: [], more: false },
        paths ? false : within(isJoinable(api, what.order), CITATION_WAIT, false)
      ]);
      return { kind: 'order', order, citations, joinable, ...found };
    }
    case 'file': {
      const { path, type, collection, item, order } = what;
      // those of the order are of all its data sets: only where the file's own can't be had
      const others = order ? citationsOf(api, order) : [];
      const own =
        collection && item
          ? await within(
              api.granule('', collection, item).then(found => found.citation),
              CITATION_WAIT,
              []
            )
          : [];
      const cited = own.length ? own : await others;
      return { kind: 'file', path, type, citations: cited };
    }
    case 'granule': {
      const { collection, item, title } = what;
      const details = await within(
        api.granule(what.catalogue, collection, item),
        CITATION_WAIT,
        null
      );
      const citations = details?.citation ?? [];
      if (details?.path) {
        const type = details.assets.find(asset => asset.data)?.type ?? '';
        return { kind: 'file', path: details.path, type, citations };
      }
      const catalogue = await catalogueOf(shared, what.catalogue);
      return { kind: 'granule', catalogue, collection, item, title, citations };
    }
  }
}

function citationsOf(api: IApi, order: string): Promise<ICitation[]> {
  return within(api.citations(order), CITATION_WAIT, []);
}

/** Whether there are several files of one data set: of a long list the two ends tell. */
async function isJoinable(api: IApi, { id, files: { total } }: IOrder): Promise<boolean> {
  if (total < 2) {
    return false;
  }
  const page = await api.orderFiles(id);
  const end = page.next === null ? [] : (await api.orderFiles(id, total - 1)).files;
  return new Set([...page.files, ...end].map(file => file.collection)).size === 1;
}

async function filesOf(
  api: IApi,
  order: string
): Promise<{ files: IOrderFile[]; more: boolean }> {
  const page = await api.orderFiles(order);
  const here = page.files.filter(file => file.local);
  return {
    files: here.slice(0, FILES),
    more: page.next !== null || here.length > FILES
  };
}
