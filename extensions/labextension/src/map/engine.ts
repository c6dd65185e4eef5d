import Feature from 'ol/Feature';
import type MapBrowserEvent from 'ol/MapBrowserEvent';
import OlMap from 'ol/Map';
import View from 'ol/View';
import { altKeyOnly, focusWithTabindex } from 'ol/events/condition';
import MultiPoint from 'ol/geom/MultiPoint';
import MultiPolygon from 'ol/geom/MultiPolygon';
import DoubleClickZoom from 'ol/interaction/DoubleClickZoom';
import DragPan from 'ol/interaction/DragPan';
import KeyboardPan from 'ol/interaction/KeyboardPan';
import KeyboardZoom from 'ol/interaction/KeyboardZoom';
import MouseWheelZoom from 'ol/interaction/MouseWheelZoom';
import PinchZoom from 'ol/interaction/PinchZoom';
import type BaseLayer from 'ol/layer/Base';
import Fill from 'ol/style/Fill';
import RegularShape from 'ol/style/RegularShape';
import Stroke from 'ol/style/Stroke';
import Style from 'ol/style/Style';

import { Box } from '../types';
import { BoxEditor } from './boxEditor';
import coastline from './coastline.json';
import { Footprints, layerOf } from './footprints';
import { boxOf, degrees, digitsFor, halvesOf, ringsOf, unwrapped } from './geometry';
import { GridLayer } from './grid';
import type { IFootprint } from './seaMap';
import { boxGeometry, landFeatures } from './shapes';
import { onTheme, readColours } from './theme';

export interface IMapCalls {
  onBox: (box: Box | null) => void;
  onPick: (key: string) => void;
  onHover: (key: string | null) => void;
  /** Drawing was ended by what a person did on the map. */
  onDrawing: (drawing: boolean) => void;
  /** Where the pointer is, for people; empty if nowhere. */
  onPlace: (place: string) => void;
}

/** What a person moves the map by. */
const OWN_WAY = ['pointerdown', 'wheel', 'keydown'] as const;
/** What is seen first: no more of the poles than needed. */
const WORLD: Box = [-180, -72, 180, 84];
const SLOW = 200;
/** Pixels from a footprint that are still on it. */
const TOUCH = 5;
/** Pixels that they take at the right, and half a handle. */
const ZOOM_BUTTONS = 44;

/** The map without React: OpenLayers, which `SeaMap` loads when it is first shown. */
export class MapEngine {
  constructor(
    private readonly target: HTMLElement,
    private readonly calls: IMapCalls
  ) {
    this.editor = new BoxEditor({
      preview: box => this.drawBox(box),
      done: box => {
        this.setBox(box);
        this.calls.onDrawing(false);
        this.calls.onBox(box);
      },
      cursor: name => (this.target.style.cursor = name)
    });
    this.map = this.makeMap();
    this.paint();
    this.stopTheme = onTheme(() => this.paint());
    this.listen();
  }

  setBox(box: Box | null): void {
    this.editor.box = box;
    if (!this.editor.isBusy) {
      this.drawBox(box);
    }
  }

  setCanDraw(can: boolean): void {
    this.editor.enabled = can;
  }

  setDrawing(drawing: boolean): void {
    this.editor.drawing = drawing;
    this.target.style.cursor = drawing ? 'crosshair' : '';
  }

  setFootprints(footprints: readonly IFootprint[]): void {
    this.footprints.set(footprints);
  }

  setSelected(keys: ReadonlySet<string>): void {
    this.footprints.select(keys);
  }

  setHighlighted(key: string | null, extents: readonly Box[]): void {
    this.footprints.highlight(key, extents);
  }

  /** Tiles below the land; empty for none. */
  async setTiles(url: string): Promise<void> {
    this.tileUrl = url;
    const layer = url ? (await import('./tiles')).tileLayer(url) : null;
    if (this.tileUrl !== url || this.isDisposed) {
      return;
    }
    if (this.tiles) {
      this.map.removeLayer(this.tiles);
    }
    this.tiles = layer;
    if (layer) {
      this.map.getLayers().insertAt(0, layer);
    }
    this.paint();
  }

  /** Show a box with some room around it. */
  fit(box: Box, slowly = true): void {
    const size = this.map.getSize();
    if (!size || !size[0] || !size[1]) {
      this.pending = box;
      return;
    }
    this.fitted = box;
    const still = window.matchMedia?.('(prefers-reduced-motion: reduce)').matches;
    const room = Math.min(24, size[0] / 10, size[1] / 10);
    // the zoom buttons must not lie on a corner of the box
    const right = Math.min(ZOOM_BUTTONS, size[0] / 5);
    this.map.getView().fit(unwrapped(box), {
      padding: box[2] - box[0] >= 360 ? [0, 0, 0, 0] : [room, right, room, room],
      minResolution: 0.01,
      duration: slowly && !still ? SLOW : 0
    });
  }

  zoomBy(steps: number): void {
    this.fitted = null;
    const view = this.map.getView();
    view.cancelAnimations();
    view.animate({ zoom: (view.getZoom() ?? 0) + steps, duration: SLOW });
  }

  /** Take what is shown as the box. */
  takeView(): void {
    const view = this.map.getView();
    const [west, south, east, north] = view.calculateExtent();
    const box = boxOf([west, south, east, north], digitsFor(view.getResolution() ?? 1));
    this.setBox(box);
    this.calls.onBox(box);
  }

  get isDisposed(): boolean {
    return this.over;
  }

  dispose(): void {
    if (!this.over) {
      this.over = true;
      this.footprints.dispose();
      cancelAnimationFrame(this.frame);
      this.stopTheme();
      this.target.removeEventListener('keydown', this.onKey);
      for (const own of OWN_WAY) {
        this.target.removeEventListener(own, this.onOwnWay);
      }
      this.target.removeEventListener('pointerleave', this.onLeave);
      this.map.setTarget(undefined);
      this.map.dispose();
    }
  }

  private makeMap(): OlMap {
    const focused = focusWithTabindex;
    const map = new OlMap({
      target: this.target,
      controls: [],
      interactions: [
        new DoubleClickZoom(),
        new DragPan({ condition: event => !altKeyOnly(event) && this.mayPan(event) }),
        new PinchZoom(),
        new KeyboardPan(),
        new KeyboardZoom(),
        // a page that is scrolled must not stop at the map
        new MouseWheelZoom({ condition: focused }),
        this.editor
      ],
      layers: [this.land, this.grid, ...this.footprints.layers, this.boxLayer],
      view: new View({
        projection: 'EPSG:4326',
        center: [0, 6],
        zoom: 0,
        minResolution: 0.0005,
        showFullExtent: true,
        enableRotation: false
      })
    });
    const [fill, line] = landFeatures(coastline as GeoJSON.MultiPolygon);
    fill.set('fill', true);
    this.land.getSource()!.addFeatures([fill, line]);
    return map;
  }

  private listen(): void {
    this.map.on('change:size', () => this.onSize());
    this.onSize();
    this.map.on('click', event => {
      const key = this.keyAt(event);
      if (key !== null) {
        this.calls.onPick(key);
      }
    });
    this.map.on('pointermove', event => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.onPointer(event));
    });
    this.target.addEventListener('keydown', this.onKey);
    for (const own of OWN_WAY) {
      this.target.addEventListener(own, this.onOwnWay, { passive: true });
    }
    this.target.addEventListener('pointerleave', this.onLeave);
  }

  /** The same part of the world is shown in a narrower or wider panel. */
  private onSize(): void {
    const [width, height] = this.map.getSize() ?? [];
    if (!width || !height) {
      return;
    }
    const view = this.map.getView();
    if (!this.width || this.pending) {
      this.fit(this.pending ?? WORLD, false);
      this.pending = null;
    } else if (this.fitted) {
      this.fit(this.fitted, false);
    } else if (width !== this.width) {
      view.setResolution(((view.getResolution() ?? 1) * this.width) / width);
    }
    this.width = width;
  }

  private onPointer(event: MapBrowserEvent): void {
    const digits = digitsFor(this.map.getView().getResolution() ?? 1);
    const [x, y] = event.coordinate;
    this.calls.onPlace(
      Math.abs(y) > 90 ? '' : `${degrees(y, 'lat', digits)}, ${degrees(x, 'lon', digits)}`
    );
    if (!event.dragging) {
      this.hover(this.keyAt(event));
    }
  }

  private hover(key: string | null): void {
    if (key !== this.hovered) {
      this.hovered = key;
      if (!this.target.style.cursor || this.target.style.cursor === 'pointer') {
        this.target.style.cursor = key === null ? '' : 'pointer';
      }
      this.calls.onHover(key);
    }
  }

  /** Who moves the map keeps what they see when its size changes. */
  private readonly onOwnWay = () => {
    this.fitted = null;
  };

  private readonly onLeave = () => {
    cancelAnimationFrame(this.frame);
    this.calls.onPlace('');
    this.hover(null);
  };

  private readonly onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && (this.editor.drawing || this.editor.isBusy)) {
      this.editor.cancel();
      this.calls.onDrawing(false);
    } else if (event.key === 'Delete' && this.editor.enabled && this.editor.box) {
      this.setBox(null);
      this.calls.onBox(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  /** One finger belongs to the page where the map's style lets it scroll; two move the map. */
  private mayPan(event: MapBrowserEvent): boolean {
    const { pointerType } = event.originalEvent as PointerEvent;
    return (
      pointerType !== 'touch' ||
      event.activePointers?.length === 2 ||
      getComputedStyle(this.target).touchAction === 'none'
    );
  }

  private keyAt(event: MapBrowserEvent): string | null {
    const resolution = this.map.getView().getResolution() ?? 1;
    return this.footprints.keyAt(event.coordinate, TOUCH * resolution);
  }

  private drawBox(box: Box | null): void {
    const source = this.boxLayer.getSource()!;
    source.clear(true);
    if (box) {
      // two copies across the antimeridian have lines on both sides, but would be filled twice
      const area = new MultiPolygon(halvesOf(box).flatMap(half => [ringsOf(half)]));
      const fill = new Feature(area);
      fill.set('fill', true);
      source.addFeatures([fill, new Feature(boxGeometry(box))]);
      if (this.editor.enabled) {
        const [west, south, east, north] = box;
        const middle = unwrapped(box);
        const [x, y] = [(middle[0] + middle[2]) / 2, (south + north) / 2];
        const handles = new Feature(
          new MultiPoint([
            [west, south],
            [east, south],
            [west, north],
            [east, north],
            [x, south],
            [x, north],
            [west, y],
            [east, y]
          ])
        );
        source.addFeature(handles);
      }
    }
  }

  private paint(): void {
    const colours = readColours(this.target);
    const area = new Style({ fill: new Fill({ color: colours.land }) });
    const coast = new Style({ stroke: new Stroke({ color: colours.coast, width: 1 }) });
    // tiles show the land themselves; the coast stays
    const land = this.tiles ? undefined : area;
    this.land.setStyle(feature => (feature.get('fill') ? land : coast));
    this.grid.take(colours.grid, colours.text, colours.halo);
    this.footprints.paint(colours);
    const boxFill = new Style({ fill: new Fill({ color: colours.boxFill }) });
    const boxLine = new Style({
      stroke: new Stroke({ color: colours.box, width: 2 }),
      image: new RegularShape({
        points: 4,
        radius: 5.5,
        angle: Math.PI / 4,
        fill: new Fill({ color: colours.halo }),
        stroke: new Stroke({ color: colours.box, width: 1.5 })
      })
    });
    this.boxLayer.setStyle(feature => (feature.get('fill') ? boxFill : boxLine));
  }

  private readonly map: OlMap;
  private readonly editor: BoxEditor;
  private readonly stopTheme: () => void;
  private readonly land = layerOf();
  private readonly grid = new GridLayer();
  private readonly footprints = new Footprints();
  private readonly boxLayer = layerOf();
  private tiles: BaseLayer | null = null;
  private tileUrl = '';
  private hovered: string | null = null;
  private pending: Box | null = null;
  /** What was fitted last, if nobody has moved the map since. */
  private fitted: Box | null = null;
  /** Of the map when it was last seen, in pixels. */
  private width = 0;
  private frame = 0;
  private over = false;
}
