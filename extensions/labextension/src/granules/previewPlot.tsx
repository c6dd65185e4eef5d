import { useMemo } from 'react';

import { IPreview } from '../types';
import { axisTitle, fitted } from './previewData';
import { cssColour, palette } from './previewPalette';
import {
  extentOf,
  nearest,
  scale,
  shortText,
  ticks,
  timeTicks,
  widened
} from './previewScale';

const WIDTH = 360;
const HEIGHT = 280;
/** Pixels of a letter of a title, about. */
const LETTER = 5.5;
const MARGIN = { left: 52, right: 14, top: 10, bottom: 40 };
/** Single values are marked as long as they don't run into each other. */
const DOTS = 150;

interface ITick {
  at: number;
  text: string;
}

function numberTicks(extent: [number, number], count: number): ITick[] {
  return ticks(extent, count).map(at => ({ at, text: shortText(at) }));
}

interface IFrameProps {
  label: string;
  height: number;
  right?: number;
  x: { title: string; ticks: ITick[]; place: (value: number) => number };
  y: { title: string; ticks: ITick[]; place: (value: number) => number };
  children: JSX.Element;
}

/** Axes around what is drawn. */
function Frame({ label, height, right = MARGIN.right, x, y, children }: IFrameProps) {
  const bottom = height - MARGIN.bottom;
  return (
    <svg
      role="img"
      aria-label={label}
      className="jp-Pelagos-plot"
      viewBox={`0 0 ${WIDTH} ${height}`}
    >
      <g className="jp-Pelagos-plotGrid">
        {x.ticks.map(({ at }) => (
          <line key={at} x1={x.place(at)} x2={x.place(at)} y1={MARGIN.top} y2={bottom} />
        ))}
        {y.ticks.map(({ at }) => (
          <line
            key={at}
            x1={MARGIN.left}
            x2={WIDTH - right}
            y1={y.place(at)}
            y2={y.place(at)}
          />
        ))}
      </g>
      {children}
      <g className="jp-Pelagos-plotText">
        {x.ticks.map(({ at, text }) => (
          <text key={at} x={x.place(at)} y={bottom + 13} textAnchor="middle">
            {text}
          </text>
        ))}
        {y.ticks.map(({ at, text }) => (
          <text key={at} x={MARGIN.left - 5} y={y.place(at) + 3} textAnchor="end">
            {text}
          </text>
        ))}
        <text x={(MARGIN.left + WIDTH - right) / 2} y={height - 8} textAnchor="middle">
          {fitted(x.title, (WIDTH - right - MARGIN.left) / LETTER)}
        </text>
        <text
          transform={`translate(11 ${(MARGIN.top + bottom) / 2}) rotate(-90)`}
          textAnchor="middle"
        >
          {fitted(y.title, (MARGIN.top + bottom) / LETTER)}
        </text>
      </g>
      <rect
        className="jp-Pelagos-plotFrame"
        x={MARGIN.left}
        y={MARGIN.top}
        width={WIDTH - right - MARGIN.left}
        height={bottom - MARGIN.top}
      />
    </svg>
  );
}

/** A line through points, broken where a value is missing. */
export function pathOf(
  xs: readonly (number | null)[],
  ys: readonly (number | null)[],
  placeX: (value: number) => number,
  placeY: (value: number) => number
): { path: string; points: [number, number][] } {
  const points: [number, number][] = [];
  let path = '';
  let pen = false;
  for (let index = 0; index < Math.min(xs.length, ys.length); index++) {
    const [x, y] = [xs[index], ys[index]];
    if (x === null || y === null || !Number.isFinite(x) || !Number.isFinite(y)) {
      pen = false;
      continue;
    }
    const at: [number, number] = [placeX(x), placeY(y)];
    path += `${pen ? 'L' : 'M'}${at[0].toFixed(1)} ${at[1].toFixed(1)}`;
    points.push(at);
    pen = true;
  }
  return { path, points };
}

/** A profile, whose depth grows downwards, or a series over time. */
export function LinePlot({ preview, label }: { preview: IPreview; label: string }) {
  const { kind, x, y } = preview;
  const isProfile = kind === 'profile';
  const [extentX, extentY] = [x, y].map(axis =>
    widened(extentOf(axis.values) ?? [0, 1])
  ) as [[number, number], [number, number]];
  const bottom = HEIGHT - MARGIN.bottom;
  const placeX = scale(extentX, [MARGIN.left + 6, WIDTH - MARGIN.right - 6]);
  const placeY = scale(
    extentY,
    isProfile ? [MARGIN.top + 6, bottom - 6] : [bottom - 6, MARGIN.top + 6]
  );
  const { path, points } = pathOf(x.values, y.values, placeX, placeY);
  return (
    <Frame
      label={label}
      height={HEIGHT}
      x={{
        title: axisTitle(x),
        ticks: isProfile ? numberTicks(extentX, 5) : timeTicks(extentX, 4),
        place: placeX
      }}
      y={{ title: axisTitle(y), ticks: numberTicks(extentY, 5), place: placeY }}
    >
      <g>
        <path className="jp-Pelagos-plotLine" d={path} />
        {points.length <= DOTS &&
          points.map(([cx, cy], index) => (
            <circle key={index} className="jp-Pelagos-plotDot" cx={cx} cy={cy} r={1.8} />
          ))}
      </g>
    </Frame>
  );
}

const BAR = 12;
const MAP_RIGHT = 62;

/** A field over longitude and latitude, with a bar of its colours. */
export function MapPlot({ preview, label }: { preview: IPreview; label: string }) {
  const { x, y, z } = preview;
  const picture = useMemo(() => pictureOf(preview), [preview]);
  const [extentX, extentY, extentZ] = [x, y, z ?? x].map(axis =>
    widened(extentOf(axis.values) ?? [0, 1])
  ) as [number, number][];
  const width = WIDTH - MARGIN.left - MAP_RIGHT;
  const height = heightFor(extentX, extentY, width);
  const bottom = MARGIN.top + height;
  const placeX = scale(extentX, [MARGIN.left, MARGIN.left + width]);
  const placeY = scale(extentY, [bottom, MARGIN.top]);
  const placeZ = scale(extentZ, [bottom, MARGIN.top]);
  const steps = Array.from({ length: 32 }, (_, index) => index);
  const barX = WIDTH - MAP_RIGHT + 8;
  return (
    <Frame
      label={label}
      height={height + MARGIN.top + MARGIN.bottom}
      right={MAP_RIGHT}
      x={{ title: axisTitle(x), ticks: numberTicks(extentX, 5), place: placeX }}
      y={{ title: axisTitle(y), ticks: numberTicks(extentY, 5), place: placeY }}
    >
      <g>
        {picture && (
          <image
            href={picture}
            x={MARGIN.left}
            y={MARGIN.top}
            width={width}
            height={height}
            preserveAspectRatio="none"
            className="jp-Pelagos-plotPicture"
          />
        )}
        {steps.map(index => (
          <rect
            key={index}
            x={barX}
            y={MARGIN.top + height - ((index + 1) * height) / steps.length}
            width={BAR}
            height={height / steps.length + 0.5}
            fill={cssColour(index / (steps.length - 1))}
          />
        ))}
        <g className="jp-Pelagos-plotText">
          {numberTicks(extentZ, 4).map(({ at, text }) => (
            <text key={at} x={barX + BAR + 3} y={placeZ(at) + 3}>
              {text}
            </text>
          ))}
          {z?.units && z.units !== '1' && (
            <text x={WIDTH - 2} y={bottom + 13} textAnchor="end">
              {z.units}
            </text>
          )}
        </g>
      </g>
    </Frame>
  );
}

/** Degrees are as wide as high, within what can be looked at. */
function heightFor(x: [number, number], y: [number, number], width: number): number {
  const shape = (y[1] - y[0]) / (x[1] - x[0]);
  return Math.max(90, Math.min(300, width * shape));
}

/** Pixels of the field as an address of a picture; empty where nothing can be drawn. */
function pictureOf({ x, y, z }: IPreview): string {
  const extents = [x, y, z].map(axis => axis && extentOf(axis.values));
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  const [extentX, extentY, extentZ] = extents;
  if (!context || !z || !extentX || !extentY || !extentZ) {
    return '';
  }
  const [width, height] = [
    Math.min(480, Math.max(1, x.values.length)),
    Math.min(360, Math.max(1, y.values.length))
  ];
  canvas.width = width;
  canvas.height = height;
  const image = context.createImageData(width, height);
  paint(image.data, width, height, { x: extentX, y: extentY, z: extentZ }, [x, y, z]);
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

type Axes = [IPreview['x'], IPreview['y'], IPreview['x']];

/** Fill pixels from north to south; what is missing stays transparent. */
export function paint(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  extent: Record<'x' | 'y' | 'z', [number, number]>,
  [x, y, z]: Axes
): void {
  const columns = x.values.map(value => value ?? NaN);
  const lines = y.values.map(value => value ?? NaN);
  const [low, high] = widened(extent.z);
  const colours = palette();
  const column = placesOf(columns, extent.x, width);
  const line = placesOf(lines, extent.y, height).reverse();
  for (let row = 0; row < height; row++) {
    for (let place = 0; place < width; place++) {
      const value = z.values[line[row] * columns.length + column[place]];
      if (value === null || value === undefined || !Number.isFinite(value)) {
        continue;
      }
      const colour = Math.round((255 * (value - low)) / (high - low)) * 3;
      const at = (row * width + place) * 4;
      pixels[at] = colours[colour];
      pixels[at + 1] = colours[colour + 1];
      pixels[at + 2] = colours[colour + 2];
      pixels[at + 3] = 255;
    }
  }
}

/** For each pixel, the index on the axis that is nearest to its middle. */
function placesOf(
  axis: number[],
  [low, high]: [number, number],
  count: number
): number[] {
  return Array.from({ length: count }, (_, pixel) =>
    count === axis.length && count > 1 && isEven(axis)
      ? pixel
      : nearest(axis, low + ((pixel + 0.5) / count) * (high - low))
  );
}

function isEven(axis: number[]): boolean {
  const step = (axis[axis.length - 1] - axis[0]) / (axis.length - 1);
  return step > 0 && Math.abs(axis[1] - axis[0] - step) < Math.abs(step) * 0.01;
}
