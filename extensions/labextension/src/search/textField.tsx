import { TranslationBundle } from '@jupyterlab/translation';
import { KeyboardEvent, useEffect, useId, useState } from 'react';

import { useModel } from '../model/base';
import { CriteriaModel } from '../model/search';
import { facetTitle } from './criteria';
import { SearchModel } from './model';
import { ISuggestion, suggestions } from './suggest';

interface IProps {
  criteria: CriteriaModel;
  model: SearchModel;
  trans: TranslationBundle;
}

/**
 * What is searched for in words, with values of facets that begin so (a combobox as the ARIA
 * Authoring Practices Guide describes it: list, without automatic selection).
 */
export function TextField({ criteria, model, trans }: IProps): JSX.Element {
  const { q } = useModel(criteria);
  const { vocabulary } = useModel(model);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const id = useId();
  const found = open ? suggestions(q, vocabulary) : [];
  const shown = found.length > 0;
  const current = active < found.length ? active : -1;

  useEffect(() => setActive(-1), [q]);

  const pick = ({ facet, value }: ISuggestion) => {
    setOpen(false);
    criteria.change({ q: '' });
    if (!criteria.state.facets[facet]?.includes(value)) {
      criteria.toggle(facet, value);
    }
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const all = suggestions(q, vocabulary).length;
      // one more place than suggestions: the text itself
      setActive(open ? ((current + 1 + step + all + 1) % (all + 1)) - 1 : -1);
      setOpen(true);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (shown && current >= 0) {
        pick(found[current]);
      } else {
        setOpen(false);
        void model.search();
      }
    } else if (event.key === 'Escape' && (shown || q)) {
      event.preventDefault();
      event.stopPropagation();
      if (shown) {
        setOpen(false);
      } else {
        criteria.change({ q: '' });
      }
    }
  };

  return (
    <div className="jp-Pelagos-text">
      <label htmlFor={`${id}-field`} className="jp-Pelagos-unseen">
        {trans.__('Search marine data')}
      </label>
      <input
        id={`${id}-field`}
        type="text"
        role="combobox"
        className="jp-Pelagos-input"
        placeholder={trans.__('Temperature, Argo, chlorophyll …')}
        autoComplete="off"
        spellCheck={false}
        maxLength={2000}
        aria-autocomplete="list"
        aria-expanded={shown}
        aria-controls={`${id}-list`}
        aria-activedescendant={shown && current >= 0 ? `${id}-${current}` : undefined}
        value={q}
        onFocus={() => void model.loadVocabulary()}
        onBlur={() => setOpen(false)}
        onKeyDown={onKey}
        onChange={event => {
          setOpen(true);
          criteria.change({ q: event.target.value });
        }}
      />
      <ul
        id={`${id}-list`}
        role="listbox"
        aria-label={trans.__('Suggestions')}
        className="jp-Pelagos-suggestions"
        hidden={!shown}
      >
        {found.map((one, index) => (
          <li
            key={`${one.facet}\n${one.value}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === current}
            // the field keeps the focus
            onMouseDown={event => event.preventDefault()}
            onClick={() => pick(one)}
          >
            <span>{one.title || one.value}</span>
            <span className="jp-Pelagos-kind">{facetTitle(one.facet, trans)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
