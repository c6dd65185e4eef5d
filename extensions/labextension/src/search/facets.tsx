import { TranslationBundle } from '@jupyterlab/translation';
import { useState } from 'react';

import { Button, format } from '../common';
import { useModel } from '../model/base';
import { CriteriaModel } from '../model/search';
import { FacetName, IFacetValue } from '../types';
import { facetTitle } from './criteria';
import { SearchModel } from './model';

const ORDER: FacetName[] = [
  'parameter',
  'platform',
  'instrument',
  'infrastructure',
  'licence'
];
/** Values that are shown at first, and after "more". */
const FEW = 6;
const MANY = 200;

interface IProps {
  criteria: CriteriaModel;
  model: SearchModel;
  trans: TranslationBundle;
}

/** What kinds of data there are among what was found, with how many of each. */
export function Facets({ criteria, model, trans }: IProps): JSX.Element {
  const { facets, facetsError, vocabulary } = useModel(model);
  const chosen = useModel(criteria).facets;
  const groups = ORDER.map(name => ({
    name,
    values: valuesOf(
      facets?.facets[name] ?? [],
      chosen[name] ?? [],
      vocabulary[name] ?? []
    )
  })).filter(({ values }) => values.length);
  return (
    <>
      {groups.map(({ name, values }) => (
        <Facet
          key={name}
          title={facetTitle(name, trans)}
          values={values}
          chosen={chosen[name] ?? []}
          trans={trans}
          onToggle={value => criteria.toggle(name, value)}
        />
      ))}
      {facets?.partial && (
        <p className="jp-Pelagos-hint">
          {trans.__(
            'Counted among the %1 newest granules only.',
            format.number(facets.counted)
          )}
        </p>
      )}
      {!groups.length && (
        <p className="jp-Pelagos-hint">
          {facetsError
            ? trans.__('The catalogue did not count its data. The search works without.')
            : facets
              ? trans.__('The catalogue offers nothing to choose from here.')
              : trans.__('Counting …')}
        </p>
      )}
    </>
  );
}

interface IFacetProps {
  title: string;
  values: (IFacetValue | { value: string; title: string; count: null })[];
  chosen: string[];
  trans: TranslationBundle;
  onToggle: (value: string) => void;
}

function Facet({ title, values, chosen, trans, onToggle }: IFacetProps): JSX.Element {
  const [all, setAll] = useState(false);
  const shown = values.filter(
    ({ value }, index) => index < (all ? MANY : FEW) || chosen.includes(value)
  );
  const rest = Math.min(values.length, MANY) - shown.length;
  return (
    <fieldset className="jp-Pelagos-facet">
      <legend>{title}</legend>
      {shown.map(({ value, title, count }) => (
        <label key={value} className="jp-Pelagos-check">
          <input
            type="checkbox"
            checked={chosen.includes(value)}
            onChange={() => onToggle(value)}
          />
          <span>{title || value}</span>
          <span className="jp-Pelagos-count">
            {count === null ? '' : format.number(count)}
          </span>
        </label>
      ))}
      {(all || rest > 0) && values.length > FEW && (
        <Button kind="link" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? trans.__('Fewer') : trans.__('%1 more', format.number(rest))}
        </Button>
      )}
    </fieldset>
  );
}

/** Chosen ones stay where they were chosen, also if nothing has them any more. */
function valuesOf(
  found: IFacetValue[],
  chosen: string[],
  known: IFacetValue[]
): IFacetProps['values'] {
  const missing = chosen.filter(value => !found.some(one => one.value === value));
  return [
    ...missing.map(value => ({
      value,
      title: known.find(one => one.value === value)?.title ?? value,
      count: null
    })),
    ...found
  ];
}
