import { TranslationBundle } from '@jupyterlab/translation';
import { defaultRangeExtractor, Range, useVirtualizer } from '@tanstack/react-virtual';
import {
  KeyboardEvent,
  memo,
  MouseEvent,
  PointerEvent,
  useCallback,
  useEffect,
  useRef
} from 'react';

import { useModel } from '../model/base';
import { IGranule } from '../types';
import { placeText, sizeText, spanText } from './format';
import { GranulesModel, keyOf } from './model';
import { ColumnName, COLUMNS, ISort } from './sorting';
import { useWidth } from './useWidth';

/** Rows before the end at which the next page is asked for. */
const AHEAD = 60;
const HEIGHT = 28;
const NARROW_HEIGHT = 46;

/** Columns by the width in pixels that they need altogether; the title is always there. */
const NEEDED: [ColumnName, number][] = [
  ['time', 460],
  ['size', 540],
  ['platform', 640],
  ['place', 800]
];
const WIDTHS: Record<ColumnName, string> = {
  title: 'minmax(120px, 1fr)',
  time: '210px',
  place: '200px',
  platform: '110px',
  size: '80px'
};

export interface ITableProps {
  model: GranulesModel;
  trans: TranslationBundle;
  /** Of a granule's collection and identifier. */
  isInBasket: (granule: IGranule) => boolean;
  /** Changes when the basket does. */
  basketRevision: number;
  hovered: string | null;
  onHover: (key: string | null) => void;
  /** Enter, or a double click: show the details. */
  onOpen: (key: string) => void;
  /** A press on a row, which may become a drag. */
  onPress: (event: PointerEvent, granule: IGranule) => void;
}

/** The list of granules: only the rows that are seen are in the page. */
export function GranulesTable(props: ITableProps): JSX.Element {
  const { model, trans, hovered, onHover, onOpen } = props;
  const { rows, sort, focused, selected, matched, next, generation } = useModel(model);
  const grid = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(grid);
  const columns = columnsFor(width);
  const isNarrow = columns.length === 1;
  const height = isNarrow ? NARROW_HEIGHT : HEIGHT;
  const index = Math.max(0, model.indexOf(focused));

  const rangeExtractor = useCallback(
    (range: Range) => {
      // the row in focus stays in the page, else the focus is lost with it
      const shown = defaultRangeExtractor(range);
      return index < range.count && !shown.includes(index)
        ? [...shown, index].sort((a, b) => a - b)
        : shown;
    },
    [index]
  );
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    getItemKey: place => keyOf(rows[place]),
    overscan: 12,
    rangeExtractor
  });
  const items = virtual.getVirtualItems();
  const last = virtual.range?.endIndex ?? 0;

  useEffect(() => virtual.measure(), [virtual, height]);
  useEffect(() => {
    if (next !== null && rows.length && last >= rows.length - AHEAD) {
      void model.more();
    }
  }, [model, last, rows.length, next]);
  useEffect(() => {
    virtual.scrollToOffset(0);
  }, [virtual, generation]);
  useEffect(() => {
    // another granule came into focus, perhaps on the map
    const place = model.indexOf(focused);
    if (place >= 0) {
      virtual.scrollToIndex(place, { align: 'auto' });
    }
  }, [model, virtual, focused]);

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const page = Math.floor((scroller.current?.clientHeight ?? 0) / height);
    const action = model.press(event, page);
    if (!action) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const { focused: key } = model.state;
    if (action.kind === 'open' && key !== null) {
      onOpen(key);
    } else if (action.kind === 'move' && key !== null) {
      virtual.scrollToIndex(action.to, { align: 'auto' });
      wantsFocus.current = key;
    }
  };
  const wantsFocus = useRef<string | null>(null);
  useEffect(() => {
    if (wantsFocus.current !== null && wantsFocus.current === focused) {
      wantsFocus.current = null;
      scroller.current
        ?.querySelector<HTMLElement>('[role=row][tabindex="0"]')
        ?.focus({ preventScroll: true });
    }
  });

  const handlers = useRowHandlers(props);
  const style = { gridTemplateColumns: `30px ${templateOf(columns)} 26px` };
  return (
    <div
      ref={grid}
      role="grid"
      className="jp-Pelagos-grid"
      aria-label={trans.__('Granules')}
      aria-rowcount={
        next === null ? rows.length + 1 : matched === null ? -1 : matched + 1
      }
      aria-multiselectable="true"
      data-narrow={isNarrow || undefined}
      onMouseLeave={() => onHover(null)}
    >
      <div role="rowgroup">
        <Header model={model} trans={trans} columns={columns} sort={sort} style={style} />
      </div>
      <div role="rowgroup" ref={scroller} className="jp-Pelagos-gridBody">
        <div role="presentation" style={{ height: virtual.getTotalSize() }}>
          {items.map(item => {
            const granule = rows[item.index];
            const key = keyOf(granule);
            return (
              <Row
                key={key}
                granule={granule}
                trans={trans}
                index={item.index}
                top={item.start}
                height={height}
                columns={columns.join()}
                template={style.gridTemplateColumns}
                isSelected={selected.has(key)}
                isCurrent={item.index === index}
                isFocused={key === focused}
                isHovered={key === hovered}
                isInBasket={props.isInBasket(granule)}
                onKeyDown={handlers.keyDown(onKeyDown)}
                onClick={handlers.click}
                onOpen={onOpen}
                onHover={onHover}
                onPress={props.onPress}
                onToggle={handlers.toggle}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Handlers that stay the same, so that only rows that changed are drawn again. */
function useRowHandlers({ model }: ITableProps) {
  const press = useRef<(event: KeyboardEvent<HTMLElement>) => void>(() => undefined);
  const stable = useRef((event: KeyboardEvent<HTMLElement>) => press.current(event));
  const click = useCallback(
    (event: MouseEvent, key: string) => {
      if (event.shiftKey) {
        model.extend(key);
      } else if (event.ctrlKey || event.metaKey) {
        model.toggle(key);
      } else {
        model.focus(key);
      }
    },
    [model]
  );
  const toggle = useCallback(
    (event: MouseEvent, key: string) =>
      event.shiftKey ? model.extend(key) : model.toggle(key),
    [model]
  );
  return {
    keyDown: (now: (event: KeyboardEvent<HTMLElement>) => void) => {
      press.current = now;
      return stable.current;
    },
    click,
    toggle
  };
}

interface IHeaderProps {
  model: GranulesModel;
  trans: TranslationBundle;
  columns: ColumnName[];
  sort: ISort | null;
  style: { gridTemplateColumns: string };
}

function Header({ model, trans, columns, sort, style }: IHeaderProps): JSX.Element {
  const { rows, selected } = useModel(model);
  const titles = titlesOf(trans);
  const all = rows.length > 0 && selected.size === rows.length;
  return (
    <div role="row" className="jp-Pelagos-gridHead" aria-rowindex={1} style={style}>
      <div role="columnheader" className="jp-Pelagos-cell">
        <input
          type="checkbox"
          aria-label={trans.__('Select all shown')}
          checked={all}
          disabled={!rows.length}
          ref={box => {
            if (box) {
              box.indeterminate = selected.size > 0 && !all;
            }
          }}
          onChange={() => (all ? model.selectNone() : model.selectAll())}
        />
      </div>
      {columns.map(column => {
        const isSorted = sort?.column === column;
        const can = model.canSort(column);
        return (
          <div
            key={column}
            role="columnheader"
            className="jp-Pelagos-cell"
            aria-sort={
              isSorted ? (sort.descending ? 'descending' : 'ascending') : undefined
            }
          >
            <button
              type="button"
              className="jp-Pelagos-sort"
              aria-disabled={!can}
              title={
                can
                  ? column === 'title' && !model.isComplete
                    ? trans.__('Sort by identifier')
                    : trans.__('Sort by %1', titles[column])
                  : trans.__('Can be sorted by once all granules are loaded')
              }
              onClick={() => model.sortBy(column)}
            >
              {titles[column]}
              <span aria-hidden="true">
                {isSorted ? (sort.descending ? ' ▾' : ' ▴') : ''}
              </span>
            </button>
          </div>
        );
      })}
      <div role="columnheader" className="jp-Pelagos-cell">
        <span className="jp-Pelagos-unseen">{trans.__('In the basket')}</span>
      </div>
    </div>
  );
}

interface IRowProps {
  granule: IGranule;
  trans: TranslationBundle;
  index: number;
  top: number;
  height: number;
  columns: string;
  template: string;
  isSelected: boolean;
  isCurrent: boolean;
  isFocused: boolean;
  isHovered: boolean;
  isInBasket: boolean;
  onKeyDown: (event: KeyboardEvent<HTMLElement>) => void;
  onClick: (event: MouseEvent, key: string) => void;
  onOpen: (key: string) => void;
  onHover: (key: string | null) => void;
  onPress: (event: PointerEvent, granule: IGranule) => void;
  onToggle: (event: MouseEvent, key: string) => void;
}

const Row = memo(function Row(props: IRowProps): JSX.Element {
  const { granule, trans, isSelected, isInBasket } = props;
  const key = keyOf(granule);
  const title = granule.title || granule.id;
  const columns = props.columns.split(',') as ColumnName[];
  return (
    <div
      role="row"
      className="jp-Pelagos-row"
      aria-rowindex={props.index + 2}
      aria-selected={isSelected}
      aria-current={props.isFocused || undefined}
      data-hovered={props.isHovered || undefined}
      tabIndex={props.isCurrent ? 0 : -1}
      style={{
        gridTemplateColumns: props.template,
        height: props.height,
        transform: `translateY(${props.top}px)`
      }}
      onKeyDown={props.onKeyDown}
      onClick={event => props.onClick(event, key)}
      onDoubleClick={() => props.onOpen(key)}
      onMouseEnter={() => props.onHover(key)}
      onPointerDown={event => props.onPress(event, granule)}
    >
      <div role="gridcell" className="jp-Pelagos-cell">
        <input
          type="checkbox"
          tabIndex={-1}
          aria-label={trans.__('Select %1', title)}
          checked={isSelected}
          readOnly
          onPointerDown={event => event.stopPropagation()}
          onClick={event => {
            event.stopPropagation();
            props.onToggle(event, key);
          }}
        />
      </div>
      {columns.map(column => (
        <div key={column} role="gridcell" className={`jp-Pelagos-cell jp-mod-${column}`}>
          <span title={column === 'title' ? `${title}\n${granule.id}` : undefined}>
            {textOf(granule, column)}
          </span>
          {columns.length === 1 && (
            <span className="jp-Pelagos-second">
              {[spanText(granule), sizeText(granule.size)].join(' · ')}
            </span>
          )}
        </div>
      ))}
      <div role="gridcell" className="jp-Pelagos-cell jp-mod-basket">
        {isInBasket && (
          <span
            role="img"
            aria-label={trans.__('In the basket')}
            title={trans.__('In the basket')}
          >
            ✓
          </span>
        )}
      </div>
    </div>
  );
});

function textOf(granule: IGranule, column: ColumnName): string {
  switch (column) {
    case 'title':
      return granule.title || granule.id;
    case 'time':
      return spanText(granule);
    case 'place':
      return placeText(granule.bbox);
    case 'platform':
      return granule.platform || '–';
    case 'size':
      return sizeText(granule.size);
  }
}

function titlesOf(trans: TranslationBundle): Record<ColumnName, string> {
  return {
    title: trans.__('Granule'),
    time: trans.__('Time (UTC)'),
    place: trans.__('Place'),
    platform: trans.__('Platform'),
    size: trans.__('Size')
  };
}

/** Columns that fit. Before the width is known, all are there. */
export function columnsFor(width: number): ColumnName[] {
  const fit = new Set(
    NEEDED.filter(([, needed]) => !width || width >= needed).map(([name]) => name)
  );
  return COLUMNS.filter(name => name === 'title' || fit.has(name));
}

function templateOf(columns: ColumnName[]): string {
  return columns.map(column => WIDTHS[column]).join(' ');
}
