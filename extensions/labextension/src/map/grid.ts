import Layer from 'ol/layer/Layer';
import type { FrameState } from 'ol/Map';

import { degrees, digitsFor } from './geometry';

const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 90];
const APART = 64;
const ROOM = 22;

/** Degrees between two lines, so that their labels have room. */
export function stepFor(resolution: number): number {
  return STEPS.find(step => step / resolution >= APART) ?? 90;
}

/** Meridians and parallels with their degrees at the edges: where in the world a person is. */
export class GridLayer extends Layer {
  constructor() {
    super({});
    this.canvas.className = 'jp-Pelagos-mapGrid';
    this.canvas.style.cssText =
      'position:absolute;width:100%;height:100%;pointer-events:none';
  }

  take(line: string, text: string, halo: string): void {
    Object.assign(this.colours, { line, text, halo });
    this.changed();
  }

  override render({ size, pixelRatio, viewState }: FrameState): HTMLElement {
    const [width, height] = size;
    this.canvas.width = Math.round(width * pixelRatio);
    this.canvas.height = Math.round(height * pixelRatio);
    const context = this.canvas.getContext('2d');
    if (context) {
      context.scale(pixelRatio, pixelRatio);
      const { center, resolution } = viewState;
      const x = (lon: number) => width / 2 + (lon - center[0]) / resolution;
      const y = (lat: number) => height / 2 - (lat - center[1]) / resolution;
      const half = { x: (width / 2) * resolution, y: (height / 2) * resolution };
      const step = stepFor(resolution);
      const lons = between(center[0] - half.x, center[0] + half.x, step);
      const lats = between(
        Math.max(-90, center[1] - half.y),
        Math.min(90, center[1] + half.y),
        step
      );
      this.lines(context, lons.map(x), lats.map(y), width, height);
      const digits = digitsFor(step);
      // half a label would say a wrong number
      for (const lon of lons.filter(lon => x(lon) > ROOM && x(lon) < width - ROOM)) {
        this.label(context, degrees(lon, 'lon', digits), x(lon), height - 4, 'center');
      }
      for (const lat of lats.filter(lat => Math.abs(lat) < 90 && y(lat) < height - 16)) {
        this.label(context, degrees(lat, 'lat', digits), 3, y(lat) + 3, 'left');
      }
    }
    return this.canvas;
  }

  private lines(
    context: CanvasRenderingContext2D,
    xs: number[],
    ys: number[],
    width: number,
    height: number
  ): void {
    context.beginPath();
    for (const x of xs) {
      context.moveTo(x, 0);
      context.lineTo(x, height);
    }
    for (const y of ys) {
      context.moveTo(0, y);
      context.lineTo(width, y);
    }
    context.strokeStyle = this.colours.line;
    context.lineWidth = 1;
    context.stroke();
  }

  private label(
    context: CanvasRenderingContext2D,
    text: string,
    x: number,
    y: number,
    align: CanvasTextAlign
  ): void {
    context.font = '10px sans-serif';
    context.textAlign = align;
    context.lineWidth = 3;
    context.strokeStyle = this.colours.halo;
    context.strokeText(text, x, y);
    context.fillStyle = this.colours.text;
    context.fillText(text, x, y);
  }

  private readonly canvas = document.createElement('canvas');
  private readonly colours = { line: '#ccc', text: '#666', halo: '#fff' };
}

function between(from: number, to: number, step: number): number[] {
  const found = [];
  for (let index = Math.ceil(from / step); index * step <= to; index++) {
    found.push(index * step);
  }
  return found;
}
