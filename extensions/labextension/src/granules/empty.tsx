import { TranslationBundle } from '@jupyterlab/translation';

import { Button } from '../common';
import { useModel } from '../model/base';
import { isEmpty } from '../model/search';
import { ICriteria } from '../types';
import { GranulesModel } from './model';

interface IProps {
  model: GranulesModel;
  trans: TranslationBundle;
}

/** Nothing matches: what could be loosened, as buttons. */
export function Empty({ model, trans }: IProps): JSX.Element {
  const criteria = useModel(model.criteria);
  if (isEmpty(criteria)) {
    return (
      <p role="status" className="jp-Pelagos-note">
        {trans.__(
          'No granules are listed here. The data set may be described in the catalogue only: look at its own page, or choose another data set.'
        )}
      </p>
    );
  }
  const ways: [boolean, string, Partial<ICriteria>][] = [
    [criteria.q.trim() !== '', trans.__('Search without the words'), { q: '' }],
    [criteria.bbox !== null, trans.__('Search everywhere'), { bbox: null }],
    [
      criteria.start !== null || criteria.end !== null,
      trans.__('Search at any time'),
      { start: null, end: null }
    ],
    [
      Object.keys(criteria.facets).length > 0,
      trans.__('Search without the filters'),
      { facets: {} }
    ]
  ];
  return (
    <div className="jp-Pelagos-nothing">
      <p role="status">{trans.__('No granule matches. Loosen what is asked for:')}</p>
      <div className="jp-Pelagos-buttons">
        {ways
          .filter(([there]) => there)
          .map(([, text, change]) => (
            <Button key={text} onClick={() => model.criteria.change(change)}>
              {text}
            </Button>
          ))}
      </div>
    </div>
  );
}
