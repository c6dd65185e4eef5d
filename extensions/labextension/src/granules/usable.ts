import { IGranule, IGranuleDetails, IUsable } from '../types';

/** What code is made for: the file if it is on this server already, else the granule. */
export function usableOf(
  granule: IGranule,
  catalogue: string,
  details: IGranuleDetails | null = null
): IUsable {
  const { collection, id } = granule;
  const path =
    details?.collection === collection && details.id === id ? details.path : null;
  if (details && path !== null) {
    const asset = details.assets.find(one => one.data);
    return {
      kind: 'file',
      path,
      type: asset?.type ?? '',
      collection,
      item: id,
      order: ''
    };
  }
  return {
    kind: 'granule',
    catalogue,
    collection,
    item: id,
    title: granule.title || id
  };
}
