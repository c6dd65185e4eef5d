import { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { useMemo, useState } from 'react';

import { Button, format } from '../common';
import { BasketModel } from '../model/basket';
import { IBasket, IBasketItem } from '../types';
import { IGroup, cutText, cutsOf, groupsOf } from './groups';

const PAGE = 50;
/** With more data sets than these all are folded. */
const OPEN = 3;

/** What is in the basket, by data set. */
export function Items({
  trans,
  model,
  basket
}: {
  trans: TranslationBundle;
  model: BasketModel;
  basket: IBasket;
}): JSX.Element {
  const groups = useMemo(() => groupsOf(basket.items), [basket.items]);
  // one for all is told of where it can be switched off
  const differ = useMemo(() => cutsOf(basket.items).length > 1, [basket.items]);
  const files = basket.items.reduce((sum, one) => sum + one.files, 0);
  const known = groups.reduce((sum, one) => sum + one.known, 0);
  const unknown = groups.reduce((sum, one) => sum + one.unknown, 0);
  return (
    <section aria-label={trans.__('What is in it')}>
      <div className="jp-Pelagos-row">
        <h3>
          {trans._n('%1 granule', '%1 granules', basket.items.length)}
          {files > 0 && `, ${trans._n('%1 file', '%1 files', files)}`}
          {' · '}
          {sizes(trans, known, unknown, basket.items.length)}
        </h3>
        <Button kind="link" onClick={() => void model.clear()}>
          {trans.__('Remove all')}
        </Button>
      </div>
      {groups.map(group => (
        <Group
          key={group.collection}
          trans={trans}
          group={group}
          tellsCut={differ && basket.cut}
          isOpen={groups.length <= OPEN && group.items.length <= PAGE}
          onRemove={items => void model.remove(items)}
        />
      ))}
    </section>
  );
}

function sizes(
  trans: TranslationBundle,
  known: number,
  unknown: number,
  count: number
): string {
  if (unknown === count) {
    return trans.__('size unknown');
  }
  return unknown
    ? trans._n(
        '%2 and %1 granule of unknown size',
        '%2 and %1 granules of unknown size',
        unknown,
        format.bytes(known)
      )
    : format.bytes(known);
}

function Group({
  trans,
  group,
  tellsCut,
  isOpen,
  onRemove
}: {
  trans: TranslationBundle;
  group: IGroup;
  tellsCut: boolean;
  isOpen: boolean;
  onRemove: (items: IBasketItem[]) => void;
}): JSX.Element {
  const [shown, setShown] = useState(PAGE);
  const [open, setOpen] = useState(isOpen);
  const { collection, title, items, known, unknown } = group;
  return (
    <details
      className="jp-Pelagos-group"
      open={open}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>
        <span className="jp-Pelagos-name" title={collection}>
          {title}
        </span>
        <span className="jp-Pelagos-dim">
          {trans._n('%1 granule', '%1 granules', items.length)} ·{' '}
          {sizes(trans, known, unknown, items.length)}
        </span>
      </summary>
      {open && (
        <>
          <ul className="jp-Pelagos-list" aria-label={title}>
            {items.slice(0, shown).map(item => (
              <Item
                key={item.id}
                trans={trans}
                item={item}
                cut={tellsCut ? cutText(item.cut, trans) : ''}
                onRemove={() => onRemove([item])}
              />
            ))}
          </ul>
          <div className="jp-Pelagos-buttons">
            {shown < items.length && (
              <Button kind="link" onClick={() => setShown(shown + 4 * PAGE)}>
                {trans.__('Show more (%1 left)', format.number(items.length - shown))}
              </Button>
            )}
            {items.length > 1 && (
              <Button
                kind="link"
                aria-label={trans.__('Remove all of %1', title)}
                onClick={() => onRemove(items)}
              >
                {trans.__('Remove these %1', format.number(items.length))}
              </Button>
            )}
          </div>
        </>
      )}
    </details>
  );
}

function Item({
  trans,
  item,
  cut,
  onRemove
}: {
  trans: TranslationBundle;
  item: IBasketItem;
  /** What is cut out of it, where that differs. */
  cut: string;
  onRemove: () => void;
}): JSX.Element {
  const name = item.title || item.id;
  return (
    <li className="jp-Pelagos-row">
      <span className="jp-Pelagos-name" title={item.id}>
        {name}
        {cut && <span className="jp-Pelagos-dim"> {cut}</span>}
      </span>
      <span className="jp-Pelagos-dim">
        {item.size === null ? trans.__('size unknown') : format.bytes(item.size)}
      </span>
      <button
        type="button"
        className="jp-Pelagos-iconButton"
        aria-label={trans.__('Remove %1', name)}
        title={trans.__('Remove')}
        onClick={event => {
          focusNext(event.currentTarget);
          onRemove();
        }}
      >
        <closeIcon.react tag="span" width="14px" height="14px" aria-hidden="true" />
      </button>
    </li>
  );
}

/** What is removed takes the focus with it: give it to the next one before. */
function focusNext(button: HTMLButtonElement): void {
  const row = button.closest('li');
  const next = row?.nextElementSibling ?? row?.previousElementSibling;
  (
    next?.querySelector('button') ?? row?.closest('details')?.querySelector('summary')
  )?.focus();
}
