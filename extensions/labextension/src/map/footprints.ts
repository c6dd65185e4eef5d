import Feature from 'ol/Feature';
import VectorLayer from 'ol/layer/Vector';
import VectorImageLayer from 'ol/layer/VectorImage';
import VectorSource from 'ol/source/Vector';
import CircleStyle from 'ol/style/Circle';
import Fill from 'ol/style/Fill';
import Stroke from 'ol/style/Stroke';
import Style from 'ol/style/Style';

import { Box } from '../types';
import type { IFootprint } from './seaMap';
import { boxGeometry, footprintFeature } from './shapes';
import type { IMapColours } from './theme';

/** Features made without a break, so that nothing is held up. */
const SLICE = 1500;

interface IKnown {
  bbox: Box | null;
  shape: GeoJSON.Geometry | null;
  feature: Feature | null;
}

/**
 * Up to 10,000 footprints. Those that are selected or stand out are in layers of their own, and each
 * layer has one style. The many are kept as a picture: OpenLayers draws every layer again for each
 * frame, which takes 40 ms for 10,000 of them, also where only another one stands out.
 */
export class Footprints {
  readonly all = pictureOf();
  readonly layers = [this.all, pictureOf(), layerOf()];

  /** What was there under the same key and shape is kept as it is; a further page is only added. */
  set(footprints: readonly IFootprint[]): void {
    window.clearTimeout(this.clock);
    const now = new Map(footprints.map(one => [one.key, one]));
    const kept = [...this.known].every(([key, { bbox, shape }]) => {
      const one = now.get(key);
      return one && one.bbox === bbox && one.shape === shape;
    });
    if (kept) {
      const further = footprints.filter(one => !this.known.has(one.key));
      this.add(further, new Map(), 0);
      return;
    }
    const before = this.known;
    this.known = new Map();
    this.source(0).clear(true);
    this.add(footprints, before, 0);
  }

  select(keys: ReadonlySet<string>): void {
    this.selected = keys;
    this.fill(1, this.featuresOf(keys));
  }

  highlight(key: string | null, extents: readonly Box[]): void {
    this.high = { key, extents };
    this.fill(2, [
      ...extents.map(box => new Feature(boxGeometry(box))),
      ...this.featuresOf(key === null ? [] : [key])
    ]);
  }

  paint(colours: IMapColours): void {
    const [all, chosen, high] = this.layers;
    all.setStyle(dotted(colours.footFill, colours.foot, 1, 3));
    chosen.setStyle(dotted(colours.chosenFill, colours.chosen, 2, 4));
    high.setStyle(dotted(colours.highFill, colours.high, 2.5, 6));
  }

  get isEmpty(): boolean {
    return !this.known.size;
  }

  dispose(): void {
    window.clearTimeout(this.clock);
  }

  private add(
    footprints: readonly IFootprint[],
    before: ReadonlyMap<string, IKnown>,
    from: number
  ): void {
    const made: Feature[] = [];
    const until = Math.min(footprints.length, from + SLICE);
    for (const { key, bbox, shape } of footprints.slice(from, until)) {
      if (this.known.has(key)) {
        continue;
      }
      const kept = before.get(key);
      const same = kept && kept.bbox === bbox && kept.shape === shape;
      const feature = same ? kept.feature : footprintFeature(key, bbox, shape);
      this.known.set(key, { bbox, shape, feature });
      if (feature) {
        made.push(feature);
      }
    }
    this.source(0).addFeatures(made);
    if (until < footprints.length) {
      this.clock = window.setTimeout(() => this.add(footprints, before, until));
    } else {
      this.select(this.selected);
      this.highlight(this.high.key, this.high.extents);
    }
  }

  private fill(index: number, features: Feature[]): void {
    this.source(index).clear(true);
    this.source(index).addFeatures(features);
  }

  private source(index: number): VectorSource {
    return this.layers[index].getSource()!;
  }

  private featuresOf(keys: Iterable<string>): Feature[] {
    return [...keys].flatMap(key => this.known.get(key)?.feature ?? []);
  }

  private known = new Map<string, IKnown>();
  private selected: ReadonlySet<string> = new Set();
  private high: { key: string | null; extents: readonly Box[] } = {
    key: null,
    extents: []
  };
  private clock = 0;
}

export function layerOf(): VectorLayer {
  return new VectorLayer({ source: new VectorSource() });
}

/** `imageRatio`: so much more than is seen, so that moving the map a little needs no new one. */
function pictureOf(): VectorImageLayer<VectorSource> {
  return new VectorImageLayer({ source: new VectorSource(), imageRatio: 1.2 });
}

/** One style for areas, lines and points. */
function dotted(fill: string, stroke: string, width: number, radius: number): Style {
  return new Style({
    fill: new Fill({ color: fill }),
    stroke: new Stroke({ color: stroke, width }),
    image: new CircleStyle({ radius, fill: new Fill({ color: stroke }) })
  });
}
