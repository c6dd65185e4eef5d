import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { Link } from '../common';
import { ICitation } from '../types';
import { copyText } from '../use/clipboard';
import { licenceLine, licenceName } from '../use/code/licence';
import { copiedText } from '../use/things';

/** How the data of an order want to be cited, to be copied. */
export async function showCitations(
  trans: TranslationBundle,
  name: string,
  citations: ICitation[]
): Promise<void> {
  const { button } = await showDialog({
    title: trans.__('Cite the data of %1', name),
    body: <Citations trans={trans} citations={citations} />,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Close') }),
      ...(citations.length ? [Dialog.okButton({ label: trans.__('Copy') })] : [])
    ]
  });
  if (button.accept) {
    await copyText(citationText(citations));
    Notification.success(copiedText(trans, citations.length), { autoClose: 3000 });
  }
}

/** As it goes to the clipboard: a paragraph for each. */
export function citationText(citations: ICitation[]): string {
  return citations
    .map(one => [one.text || one.title, licenceLine(one)].filter(Boolean).join('\n'))
    .join('\n\n');
}

function Citations({
  trans,
  citations
}: {
  trans: TranslationBundle;
  citations: ICitation[];
}): JSX.Element {
  if (!citations.length) {
    return <p>{trans.__('The sources of these data do not say how to cite them.')}</p>;
  }
  return (
    <div className="jp-Pelagos-citations">
      {citations.map((one, index) => (
        <section key={index} aria-label={one.title}>
          <h3>{one.title}</h3>
          <p className="jp-Pelagos-citationText">{one.text || one.title}</p>
          <p>
            {one.doi && (
              <Link url={one.url || `https://doi.org/${one.doi}`}>{one.doi}</Link>
            )}
            {one.doi && licenceName(one) && ' · '}
            {licenceName(one) && trans.__('Licence: %1', licenceName(one))}
          </p>
          {one.licence_text && (
            <p className="jp-Pelagos-dim">
              {licenceName(one)
                ? one.licence_text
                : trans.__('Licence: %1', one.licence_text)}
            </p>
          )}
        </section>
      ))}
    </div>
  );
}
