import { TranslationBundle } from '@jupyterlab/translation';

import { useModel } from '../model/base';
import { titlesOf } from './columns';
import { GranulesModel } from './model';
import { ColumnName, ISort } from './sorting';

interface IHeaderProps {
  model: GranulesModel;
  trans: TranslationBundle;
  columns: ColumnName[];
  sort: ISort | null;
  style: { gridTemplateColumns: string };
}

/** Heads, which sort, and a box that selects all that is loaded. */
export function Header({
  model,
  trans,
  columns,
  sort,
  style
}: IHeaderProps): JSX.Element {
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
            className={`jp-Pelagos-cell jp-mod-${column}`}
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
