import { TranslationBundle } from '@jupyterlab/translation';
import { defaultRangeExtractor, Range, useVirtualizer } from '@tanstack/react-virtual';
import {
  KeyboardEvent,
  MouseEvent,
  PointerEvent,
  useCallback,
  useEffect,
  useMemo,
  useRef
} from 'react';

import { useModel } from '../model/base';
import { IGranule } from '../types';
import { HoverModel } from './hover';
import { GranulesModel, keyOf } from './model';
import { columnsFor, templateOf, unknownOf } from './columns';
import { Header } from './tableHeader';
import { Row } from './tableRow';
import { useWidth } from './hooks';

/** Rows before the end at which the next page is asked for. */
const AHEAD = 60;
const HEIGHT = 28;
const NARROW_HEIGHT = 46;

export interface ITableProps {
  model: GranulesModel;
  trans: TranslationBundle;
  /** Of a granule's collection and identifier. */
  isInBasket: (granule: IGranule) => boolean;
  /** Changes when the basket does. */
  basketRevision: number;
  hover: HoverModel;
  /** Enter, or a double click: show the details. */
  onOpen: (key: string) => void;
  /** A press on a row, which may become a drag. */
  onPress: (event: PointerEvent, granule: IGranule) => void;
}

/** The list of granules: only the rows that are seen are in the page. */
export function GranulesTable(props: ITableProps): JSX.Element {
  const { model, trans, hover, onOpen } = props;
  const { rows, sort, focused, selected, matched, next, generation } = useModel(model);
  const { key: hovered } = useModel(hover);
  const grid = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(grid);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the first page says enough
  const unknown = useMemo(() => unknownOf(rows), [generation]);
  const columns = columnsFor(width, unknown);
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
  // functions that stay the same spare a round over all rows for each that is drawn
  const estimateSize = useCallback(() => height, [height]);
  const getItemKey = useCallback((place: number) => keyOf(rows[place]), [rows]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize,
    getItemKey,
    overscan: 8,
    // rows may be drawn a frame later than the scroll bar: nothing is held up for them
    useFlushSync: false,
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

  const handlers = useRowHandlers(props, virtual);
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
      onMouseLeave={() => hover.over(null)}
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
                onHover={handlers.hover}
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
function useRowHandlers(
  { model, hover }: ITableProps,
  virtual: { isScrolling: boolean }
) {
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
    toggle,
    // rows that pass below the pointer are not pointed at
    hover: useCallback(
      (key: string) => !virtual.isScrolling && hover.over(key),
      [hover, virtual]
    )
  };
}
