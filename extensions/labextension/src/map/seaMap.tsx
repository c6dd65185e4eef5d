import { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useId, useRef, useState } from 'react';

import { Box } from '../types';
import type { MapEngine } from './engine';

/** What is drawn of a granule: its shape, or its box if that is all that is known. */
export interface IFootprint {
  /** What `onPick`, `onHover`, `selected` and `highlighted` name it. */
  key: string;
  bbox: Box | null;
  shape: GeoJSON.Geometry | null;
}

export interface ISeaMapProps {
  /** The accessible name of the map. */
  label: string;
  trans: TranslationBundle;
  /** The area that is looked for; west of more than east crosses the antimeridian. */
  box: Box | null;
  /** A person drew, moved, resized or cleared the box; without it the box is only shown. */
  onBox?: (box: Box | null) => void;
  /** Up to some 10,000. Keep the array the same while nothing changed. */
  footprints?: readonly IFootprint[];
  selected?: ReadonlySet<string>;
  /** A footprint to stand out, such as that of the row under the pointer. */
  highlighted?: string | null;
  /** Boxes to stand out, such as those of a data set that is looked at. */
  extents?: readonly Box[];
  onPick?: (key: string) => void;
  onHover?: (key: string | null) => void;
  /** Shown when it becomes another one; null leaves the map where it is. */
  fitTo?: Box | null;
  /** Tiles below the coastline, `{x} {y} {z}`; empty: nothing leaves this machine. */
  tileUrl?: string;
  tileAttribution?: string;
}

const NONE: readonly IFootprint[] = [];
const NO_KEYS: ReadonlySet<string> = new Set();
const NO_BOXES: readonly Box[] = [];

/**
 * The world with a coastline that needs no server; fills the width and height of its parent.
 *
 * OpenLayers is loaded when the first map is shown. The box can also be had without the map: see
 * the fields for its numbers.
 */
export function SeaMap(props: ISeaMapProps): JSX.Element {
  const { label, trans, box, onBox } = props;
  const target = useRef<HTMLDivElement>(null);
  const [engine, setEngine] = useState<MapEngine | null>(null);
  const [failed, setFailed] = useState(false);
  const [drawing, setDrawing] = useState(false);
  const [place, setPlace] = useState('');
  const hint = useId();
  // the engine outlives what is drawn here: it calls what was given last
  const calls = useRef(props);
  calls.current = props;

  useEffect(() => {
    let over = false;
    let made: MapEngine | null = null;
    import('./engine')
      .then(({ MapEngine }) => {
        if (!over && target.current) {
          made = new MapEngine(target.current, {
            onBox: found => calls.current.onBox?.(found),
            onPick: key => calls.current.onPick?.(key),
            onHover: key => calls.current.onHover?.(key),
            onDrawing: setDrawing,
            onPlace: setPlace
          });
          setEngine(made);
        }
      })
      .catch(error => {
        console.error('jupyterlab-pelagos: no map', error);
        if (!over) {
          setFailed(true);
        }
      });
    return () => {
      over = true;
      made?.dispose();
      setEngine(null);
    };
  }, []);

  useProps(engine, props);
  useEffect(() => engine?.setDrawing(drawing), [engine, drawing]);

  if (failed) {
    return (
      <p role="alert" className="jp-Pelagos-problem">
        {trans.__(
          'The map could not be loaded. Reload the page; the fields work without it.'
        )}
      </p>
    );
  }
  return (
    <div className="jp-Pelagos-map" data-drawing={drawing || undefined}>
      <span id={hint} hidden>
        {onBox
          ? trans.__(
              'Arrow keys move the map, plus and minus zoom, Delete clears the box. The numbers of the box can be typed into its fields.'
            )
          : trans.__('Arrow keys move the map, plus and minus zoom.')}
      </span>
      {onBox && (
        <div
          className="jp-Pelagos-mapTools"
          role="group"
          aria-label={trans.__('Box on the map')}
        >
          <button
            type="button"
            className="jp-Pelagos-mapTool"
            aria-pressed={drawing}
            title={trans.__('Drag on the map to draw a box (also: Shift and drag)')}
            onClick={() => setDrawing(!drawing)}
          >
            {trans.__('Draw a box')}
          </button>
          <button
            type="button"
            className="jp-Pelagos-mapTool"
            title={trans.__('Take as the box what the map shows')}
            onClick={() => engine?.takeView()}
          >
            {trans.__('As shown')}
          </button>
          <button
            type="button"
            className="jp-Pelagos-mapTool"
            disabled={!box}
            title={trans.__('Clear the box')}
            onClick={() => onBox(null)}
          >
            {trans.__('Clear')}
          </button>
        </div>
      )}
      {/* what lies over the view goes with it, however high the tools are */}
      <div className="jp-Pelagos-mapBody">
        <div
          ref={target}
          className="jp-Pelagos-mapView"
          role="application"
          aria-label={label}
          aria-roledescription={trans.__('map')}
          aria-describedby={hint}
          aria-busy={!engine}
          tabIndex={0}
        />
        <Zoom engine={engine} trans={trans} />
        <span className="jp-Pelagos-mapPlace" aria-hidden="true">
          {place}
        </span>
        {props.tileUrl && props.tileAttribution && (
          <span className="jp-Pelagos-mapSource">{props.tileAttribution}</span>
        )}
      </div>
    </div>
  );
}

function Zoom({
  engine,
  trans
}: {
  engine: MapEngine | null;
  trans: TranslationBundle;
}): JSX.Element {
  const tools: [string, string, () => void][] = [
    [trans.__('Zoom in'), '+', () => engine?.zoomBy(1)],
    [trans.__('Zoom out'), '−', () => engine?.zoomBy(-1)],
    [trans.__('Whole world'), '⤢', () => engine?.fit([-180, -90, 180, 90])]
  ];
  return (
    <div className="jp-Pelagos-mapZoom" role="group" aria-label={trans.__('Map')}>
      {tools.map(([name, sign, onClick]) => (
        <button
          key={name}
          type="button"
          className="jp-Pelagos-mapTool"
          aria-label={name}
          title={name}
          onClick={onClick}
        >
          {sign}
        </button>
      ))}
    </div>
  );
}

/** What changes goes to the engine, each for itself. */
function useProps(engine: MapEngine | null, props: ISeaMapProps): void {
  const { box, footprints = NONE, selected = NO_KEYS, extents = NO_BOXES } = props;
  const { highlighted = null, fitTo = null, tileUrl = '' } = props;
  const canDraw = props.onBox !== undefined;
  const numbers = box?.join() ?? '';
  const goal = fitTo?.join() ?? '';
  useEffect(() => engine?.setCanDraw(canDraw), [engine, canDraw]);
  useEffect(
    () => engine?.setBox(numbers ? (numbers.split(',').map(Number) as Box) : null),
    [engine, numbers]
  );
  useEffect(() => engine?.setFootprints(footprints), [engine, footprints]);
  useEffect(() => engine?.setSelected(selected), [engine, selected]);
  useEffect(
    () => engine?.setHighlighted(highlighted, extents),
    [engine, highlighted, extents]
  );
  useEffect(() => {
    void engine?.setTiles(tileUrl);
  }, [engine, tileUrl]);
  useEffect(() => {
    if (goal) {
      engine?.fit(goal.split(',').map(Number) as Box);
    }
  }, [engine, goal]);
}
