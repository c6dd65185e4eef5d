import { TranslationBundle } from '@jupyterlab/translation';
import { KeyboardEvent, memo, MouseEvent, PointerEvent } from 'react';

import { IGranule } from '../types';
import { textOf } from './columns';
import { sizeText, spanText } from './format';
import { keyOf } from './model';
import { ColumnName } from './sorting';

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
  onHover: (key: string) => void;
  onPress: (event: PointerEvent, granule: IGranule) => void;
  onToggle: (event: MouseEvent, key: string) => void;
}

/** A granule of the list. Drawn again only if something of it changed. */
export const Row = memo(function Row(props: IRowProps): JSX.Element {
  const { granule, trans, isSelected, isInBasket } = props;
  const key = keyOf(granule);
  const title = granule.title || granule.id;
  const columns = props.columns.split(',') as ColumnName[];
  return (
    <div
      role="row"
      className="jp-Pelagos-gridRow"
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
          onDoubleClick={event => event.stopPropagation()}
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
