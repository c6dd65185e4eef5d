import { TranslationBundle } from '@jupyterlab/translation';
import { memo, useEffect, useRef } from 'react';

import { Button, Problem, format } from '../common';
import { useModel } from '../model/base';
import { Box, ICollection, ICriteria, IMatches } from '../types';
import { SearchModel } from './model';
import { periodOf } from './times';

const PARAMETERS = 4;
const NOWHERE: readonly Box[] = [];

interface IProps {
  model: SearchModel;
  trans: TranslationBundle;
  /** Somebody looks at a data set: where it is. */
  onLook: (boxes: readonly Box[]) => void;
  /** Null where nothing can open them. */
  onOpen: ((collections: ICollection[]) => void) | null;
}

/** Step 1: the data sets that were found. */
export function Collections({ model, trans, onLook, onOpen }: IProps): JSX.Element {
  const { collections, matches, answered, next, loadingMore, moreError } =
    useModel(model);
  return (
    <>
      <ul className="jp-Pelagos-sets" aria-label={trans.__('Data sets')}>
        {collections.map(one => (
          <Entry
            key={one.id}
            collection={one}
            match={matches[one.id]}
            answered={answered}
            model={model}
            trans={trans}
            onLook={onLook}
            onOpen={onOpen}
          />
        ))}
      </ul>
      <Problem trans={trans} error={moreError} onRetry={() => void model.more()} />
      {next && !moreError && (
        <div className="jp-Pelagos-formRow jp-mod-center">
          <Button disabled={loadingMore} onClick={() => void model.more()}>
            {loadingMore ? trans.__('Loading …') : trans.__('More data sets')}
          </Button>
        </div>
      )}
    </>
  );
}

interface IEntryProps extends IProps {
  collection: ICollection;
  match: IMatches[string] | undefined;
  answered: ICriteria | null;
}

const Entry = memo(function Entry({
  collection,
  match,
  answered,
  model,
  trans,
  onLook,
  onOpen
}: IEntryProps): JSX.Element {
  const { id, title, boxes, infrastructure, start, end } = collection;
  const element = useSeen(() => model.count(id), answered);
  const period = periodOf(start, end, trans);
  const look = () => onLook(boxes);
  const leave = () => onLook(NOWHERE);
  return (
    <li
      ref={element}
      className="jp-Pelagos-set"
      onMouseEnter={look}
      onMouseLeave={leave}
      onFocus={look}
      onBlur={leave}
    >
      <h4>
        <button
          type="button"
          className="jp-Pelagos-setTitle"
          disabled={!onOpen}
          title={
            onOpen
              ? trans.__('Open the granules of this data set')
              : trans.__(
                  'The part of this extension that lists granules is switched off.'
                )
          }
          onClick={() => onOpen?.([collection])}
        >
          {title || id}
        </button>
      </h4>
      <p className="jp-Pelagos-meta">
        {infrastructure && <span>{infrastructure}</span>}
        {period && <span>{period}</span>}
        <Licence collection={collection} trans={trans} />
        {!boxes.length && <span>{trans.__('place not given')}</span>}
        <Page collection={collection} trans={trans} />
      </p>
      <Parameters names={collection.parameters} trans={trans} />
      <p className="jp-Pelagos-match">{matchText(match, trans)}</p>
    </li>
  );
});

function Parameters({ names, trans }: { names: string[]; trans: TranslationBundle }) {
  if (!names.length) {
    return null;
  }
  const rest = names.length - PARAMETERS;
  return (
    <p className="jp-Pelagos-meta" title={names.join(', ')}>
      {names.slice(0, PARAMETERS).join(', ')}
      {rest > 0 && ` ${trans._n('and %1 more', 'and %1 more', rest)}`}
    </p>
  );
}

interface ILinkProps {
  collection: ICollection;
  trans: TranslationBundle;
}

function Licence({ collection: { licence }, trans }: ILinkProps): JSX.Element | null {
  const text = licence.title || licence.id;
  if (!text) {
    return <span>{trans.__('licence not given')}</span>;
  }
  return isPage(licence.url) ? (
    <a href={licence.url} target="_blank" rel="noopener noreferrer">
      {text}
    </a>
  ) : (
    <span>{text}</span>
  );
}

function Page({ collection, trans }: ILinkProps): JSX.Element | null {
  const { doi, url, title, id } = collection;
  const page = isPage(url) ? url : doi ? `https://doi.org/${encodeURI(doi)}` : '';
  return page ? (
    <a
      href={page}
      target="_blank"
      rel="noopener noreferrer"
      aria-label={trans.__('About %1', title || id)}
    >
      {trans.__('About')}
    </a>
  ) : null;
}

/** A catalogue may write `javascript:` there. */
function isPage(url: string): boolean {
  return /^https?:\/\//i.test(url);
}

function matchText(
  match: IMatches[string] | undefined,
  trans: TranslationBundle
): string {
  if (!match) {
    return trans.__('Counting …');
  }
  if (match.count === null) {
    return match.text
      ? trans.__('%1 granules match', match.text)
      : trans.__('Nobody counted its granules');
  }
  return match.count === 0
    ? trans.__('No granule matches')
    : trans._n(
        '%2 granule matches',
        '%2 granules match',
        match.count,
        match.text || format.number(match.count)
      );
}

/** Calls when an element comes into sight, again when `again` is another one. */
function useSeen(call: () => void, again: unknown) {
  const element = useRef<HTMLLIElement>(null);
  const latest = useRef(call);
  latest.current = call;
  useEffect(() => {
    if (typeof IntersectionObserver === 'undefined' || !element.current) {
      latest.current();
      return;
    }
    const observer = new IntersectionObserver(
      entries => {
        if (entries.some(entry => entry.isIntersecting)) {
          observer.disconnect();
          latest.current();
        }
      },
      { rootMargin: '100px' }
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [again]);
  return element;
}
