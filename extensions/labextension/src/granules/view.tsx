import {
  ComponentType,
  KeyboardEvent,
  PointerEvent,
  ReactNode,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore
} from 'react';

import { Problem } from '../common';
import type { ISeaMapProps } from '../map/seaMap';
import { useModel } from '../model/base';
import type { Vocabulary } from '../search/criteria';
import { IPelagos } from '../tokens';
import { Box, IGranule, IUsable } from '../types';
import { Actions } from './actions';
import { AddModel } from './addAll';
import { DetailsModel } from './details';
import { DetailsPane } from './detailsPane';
import { Empty } from './empty';
import { HoverModel } from './hover';
import { GranulesModel } from './model';
import { Refine } from './refine';
import { GranulesTable } from './table';
import { usableOf } from './usable';
import { useRested, useWidth } from './hooks';

/** Pixels below which list, map and details are tabs. */
export const NARROW = 700;
/** Milliseconds: who goes down the list with the arrow keys asks for none of the details. */
const REST = 150;

export interface IViewProps {
  pelagos: IPelagos;
  model: GranulesModel;
  adding: AddModel;
  details: DetailsModel;
  /** What facets carried over are called. */
  vocabulary: Vocabulary;
  SeaMap: ComponentType<ISeaMapProps>;
  startDrag: (event: PointerEvent, usable: IUsable, label: string) => void;
}

/** A tab of granules: criteria, list, map, details. */
export function GranulesView(props: IViewProps): JSX.Element {
  const { pelagos, model, details } = props;
  const { trans } = pelagos;
  const root = useRef<HTMLDivElement>(null);
  const width = useWidth(root);
  const [hover] = useState(() => new HoverModel());
  const [tab, setTab] = useState(0);
  const isNarrow = width > 0 && width < NARROW;

  const open = useCallback(() => {
    setTab(2);
    // its place may be drawn with this change only
    requestAnimationFrame(() =>
      root.current?.querySelector<HTMLElement>('.jp-Pelagos-details')?.focus()
    );
  }, []);
  const list = <List {...props} hover={hover} onOpen={open} />;
  const map = <MapPart {...props} hover={hover} />;
  const pane = <Details {...props} />;
  return (
    <div
      ref={root}
      className="jp-Pelagos-granules"
      data-layout={isNarrow ? 'narrow' : 'wide'}
    >
      <Follow model={model} details={details} />
      <div className="jp-Pelagos-granulesHead">
        <Refine criteria={model.criteria} vocabulary={props.vocabulary} trans={trans} />
        <Actions
          pelagos={pelagos}
          model={model}
          adding={props.adding}
          isNarrow={isNarrow}
        />
      </div>
      {isNarrow ? (
        <Tabs
          label={trans.__('Granules')}
          current={tab}
          onSelect={setTab}
          tabs={[
            [trans.__('List'), list],
            [trans.__('Map'), map],
            [trans.__('Details'), pane]
          ]}
        />
      ) : (
        <div className="jp-Pelagos-granulesBody">
          <div className="jp-Pelagos-listPart">{list}</div>
          <div className="jp-Pelagos-sidePart">
            <div className="jp-Pelagos-mapPart">{map}</div>
            {pane}
          </div>
        </div>
      )}
    </div>
  );
}

/** Asks for details once the focus rests; apart, so that only this is drawn anew for it. */
function Follow({
  model,
  details
}: {
  model: GranulesModel;
  details: DetailsModel;
}): null {
  const { focused } = useModel(model);
  useEffect(() => {
    const clock = window.setTimeout(() => {
      const granule = focused === null ? undefined : model.get(focused);
      void details.show(
        model.catalogue,
        granule ? { collection: granule.collection, id: granule.id } : null
      );
    }, REST);
    return () => window.clearTimeout(clock);
  }, [model, details, focused]);
  return null;
}

interface IHovering {
  hover: HoverModel;
}

function List(
  props: IViewProps & IHovering & { onOpen: (key: string) => void }
): JSX.Element {
  const { pelagos, model, startDrag } = props;
  const { basket, trans } = pelagos;
  const { rows, loading, error } = useModel(model);
  const revision = useModel(basket).basket?.revision ?? 0;
  const isInBasket = useCallback(
    (granule: IGranule) => basket.has(granule.collection, granule.id),
    [basket]
  );
  const onPress = useCallback(
    (event: PointerEvent, granule: IGranule) =>
      startDrag(event, usableOf(granule, model.catalogue), granule.title || granule.id),
    [model, startDrag]
  );
  return (
    <div className="jp-Pelagos-granulesList" aria-busy={loading !== null}>
      <Problem trans={trans} error={error} onRetry={() => void model.retry()} />
      {rows.length > 0 && (
        <GranulesTable
          model={model}
          trans={trans}
          isInBasket={isInBasket}
          basketRevision={revision}
          hover={props.hover}
          onOpen={props.onOpen}
          onPress={onPress}
        />
      )}
      {loading === 'first' && !rows.length && (
        <p role="status" className="jp-Pelagos-note">
          {trans.__('Searching …')}
        </p>
      )}
      {loading === 'more' && (
        <p role="status" className="jp-Pelagos-note jp-Pelagos-more">
          {trans.__('Loading more …')}
        </p>
      )}
      {!rows.length && !loading && !error && <Empty model={model} trans={trans} />}
    </div>
  );
}

function MapPart({ pelagos, model, SeaMap, hover }: IViewProps & IHovering): JSX.Element {
  const { trans } = pelagos;
  const { footprints, selected, focused, generation } = useModel(model);
  const { bbox } = useModel(model.criteria);
  const { key: hovered } = useModel(hover);
  const settings = useSettings(pelagos);
  // what is found at first is shown; what comes by scrolling leaves the map where it is
  const fitTo = useMemo(
    () => bbox ?? around(model.state.rows),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [model, generation, bbox]
  );
  return (
    <SeaMap
      label={trans.__('Map of the granules')}
      trans={trans}
      box={bbox}
      onBox={box => model.criteria.change({ bbox: box })}
      footprints={footprints}
      selected={useRested(selected)}
      highlighted={useRested(hovered ?? focused)}
      onPick={key => model.focus(key)}
      onHover={key => hover.over(key)}
      fitTo={fitTo}
      tileUrl={settings.tileUrl}
      tileAttribution={settings.tileAttribution}
    />
  );
}

function useSettings(pelagos: IPelagos): IPelagos['settings'] {
  return useSyncExternalStore(
    useCallback(
      (listener: () => void) => {
        pelagos.settingsChanged.connect(listener);
        return () => {
          pelagos.settingsChanged.disconnect(listener);
        };
      },
      [pelagos]
    ),
    () => pelagos.settings
  );
}

/** A box around all; null if there is none, or if some cross the antimeridian. */
export function around(granules: readonly IGranule[]): Box | null {
  let found: Box | null = null;
  for (const { bbox } of granules) {
    if (bbox && bbox[0] > bbox[2]) {
      return null;
    }
    if (bbox) {
      const [west, south, east, north]: Box = found ?? bbox;
      found = [
        Math.min(west, bbox[0]),
        Math.min(south, bbox[1]),
        Math.max(east, bbox[2]),
        Math.max(north, bbox[3])
      ];
    }
  }
  return found;
}

function Details({
  pelagos,
  model,
  details,
  adding,
  startDrag
}: IViewProps): JSX.Element {
  return (
    <DetailsPane
      pelagos={pelagos}
      granules={model}
      details={details}
      adding={adding}
      onPress={(event, granule) =>
        startDrag(
          event,
          usableOf(granule, model.catalogue, details.state.details),
          granule.title || granule.id
        )
      }
    />
  );
}

interface ITabsProps {
  label: string;
  tabs: [string, ReactNode][];
  current: number;
  onSelect: (index: number) => void;
}

/** Where there is no room to see all at once. */
function Tabs({ label, tabs, current, onSelect }: ITabsProps): JSX.Element {
  const id = useId();
  const onKey = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const goal = (current + step + tabs.length) % tabs.length;
      onSelect(goal);
      document.getElementById(`${id}-${goal}`)?.focus();
    }
  };
  return (
    <div className="jp-Pelagos-tabs jp-Pelagos-granulesTabs">
      <div role="tablist" aria-label={label} onKeyDown={onKey}>
        {tabs.map(([title], index) => (
          <button
            key={title}
            id={`${id}-${index}`}
            type="button"
            role="tab"
            className="jp-Pelagos-tab"
            aria-selected={index === current}
            aria-controls={`${id}-panel`}
            tabIndex={index === current ? 0 : -1}
            onClick={() => onSelect(index)}
          >
            {title}
          </button>
        ))}
      </div>
      <div
        id={`${id}-panel`}
        role="tabpanel"
        aria-labelledby={`${id}-${current}`}
        className="jp-Pelagos-granulesPanel"
      >
        {tabs[current][1]}
      </div>
    </div>
  );
}
