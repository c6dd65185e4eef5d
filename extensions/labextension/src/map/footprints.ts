import Feature from 'ol/Feature';
import VectorLayer from 'ol/layer/Vector';
import VectorImageLayer from 'ol/layer/VectorImage';
import VectorSource from 'ol/source/Vector';
import CircleStyle from 'ol/style/Circle';
import Fill from 'ol/style/Fill';
import Stroke from 'ol/style/Stroke';
import Style from 'ol/style/Style';

import { Box } from '../types';
import { wrapped } from './geometry';
import type { IFootprint } from './seaMap';
import { boxGeometry, footprintFeature } from './shapes';
import type { IMapColours } from './theme';

/** Features made without a break, so that nothing is held up. */
const SLICE = 1500;
/** More than so many at one place are not told apart. */
const PILE = 100;

interface IKnown {
  bbox: Box | null;
  shape: GeoJSON.Geometry | null;
  feature: Feature | null;
}

/**
 * Up to 10,000 footprints. Those that are selected or stand out are in layers of their own, so that
 * the many are not drawn again for them, and each layer has one style.
 */
export class Footprints {
  /** Drawn once and moved as an image while somebody pans; so are those that are selected. */
  readonly all = pictureOf();
  readonly layers = [this.all, pictureOf(), layerOf()];

  /** Replaced as a whole; what was there under the same key and shape is kept as it is. */
  set(footprints: readonly IFootprint[]): void {
    window.clearTimeout(this.clock);
    this.make(footprints, new Map(), 0);
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

  /**
   * The footprint at a place, in any copy of the world; `reach` in degrees. Of several the smallest
   * one: it could not be reached otherwise.
   */
  keyAt([x, y]: number[], reach: number): string | null {
    let best: { key: string; area: number } | null = null;
    let seen = 0;
    const inside = wrapped(x);
    for (const at of [inside, inside + 360, inside - 360]) {
      this.source(0).forEachFeatureIntersectingExtent(
        [at - reach, y - reach, at + reach, y + reach],
        feature => {
          const [west, south, east, north] = feature.getGeometry()!.getExtent();
          const area = (east - west) * (north - south);
          if (!best || area < best.area) {
            best = { key: String(feature.getId()), area };
          }
          return ++seen >= PILE;
        }
      );
    }
    return (best as { key: string } | null)?.key ?? null;
  }

  dispose(): void {
    window.clearTimeout(this.clock);
  }

  private make(
    footprints: readonly IFootprint[],
    made: Map<string, IKnown>,
    from: number
  ): void {
    const until = Math.min(footprints.length, from + SLICE);
    for (const { key, bbox, shape } of footprints.slice(from, until)) {
      if (!made.has(key)) {
        const kept = this.known.get(key);
        const same = kept && kept.bbox === bbox && kept.shape === shape;
        made.set(
          key,
          same ? kept : { bbox, shape, feature: footprintFeature(key, bbox, shape) }
        );
      }
    }
    if (until < footprints.length) {
      this.clock = window.setTimeout(() => this.make(footprints, made, until));
    } else {
      this.take(made);
    }
  }

  /** All at once: the source tells the map of each change. */
  private take(made: Map<string, IKnown>): void {
    const before = this.known;
    const stays = [...before].every(([key, one]) => made.get(key) === one);
    const added = stays ? [...made].filter(([key]) => !before.has(key)) : [...made];
    this.known = made;
    if (!stays) {
      this.source(0).clear(true);
    }
    this.source(0).addFeatures(added.flatMap(([, one]) => one.feature ?? []));
    this.select(this.selected);
    this.highlight(this.high.key, this.high.extents);
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

/** Drawn as if they did not overlap: many in one stroke, and no darker where they lie on others. */
function pictureOf(): VectorImageLayer<VectorSource> {
  return new VectorImageLayer({
    source: new VectorSource({ overlaps: false }),
    imageRatio: 1.5
  });
}

/** One style for areas, lines and points. */
function dotted(fill: string, stroke: string, width: number, radius: number): Style {
  return new Style({
    fill: new Fill({ color: fill }),
    stroke: new Stroke({ color: stroke, width }),
    image: new CircleStyle({ radius, fill: new Fill({ color: stroke }) })
  });
}
