import TileLayer from 'ol/layer/Tile';
import XYZ from 'ol/source/XYZ';

/** A layer of tiles of a server that a person named; loaded only then. */
export function tileLayer(url: string): TileLayer<XYZ> {
  return new TileLayer({ source: new XYZ({ url }), className: 'jp-Pelagos-mapTiles' });
}
