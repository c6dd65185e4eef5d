import { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useId, useMemo, useState } from 'react';

import { Link } from '../common';
import { IAbout, IBasket, ITerms } from '../types';
import { isFolder } from './checkout';
import { cutText, cutsOf } from './groups';

interface IFieldProps<V> {
  trans: TranslationBundle;
  onChange: (value: V) => void;
}

interface ITargetProps extends IFieldProps<string> {
  about: IAbout | null;
  basket: IBasket;
  /** A folder to begin with. */
  folder: string;
}

/** Dataspace or workspace; a folder for what the data pool does not fetch, or where there is none. */
export function Target(props: ITargetProps): JSX.Element | null {
  const { trans, about, basket, folder, onChange } = props;
  const { to } = basket;
  const name = useId();
  // the data pool knows the catalogue of its VRE only
  const isForeign = useMemo(
    () => basket.items.some(one => one.catalogue),
    [basket.items]
  );
  if (!about) {
    return null;
  }
  const typed = (
    <Typed
      label={trans.__('Into the folder')}
      help={trans.__('Below your home. It is made if it is not there.')}
      value={to}
      isNeeded
      onChange={onChange}
    />
  );
  if (!about.datapool) {
    return typed;
  }
  const choices = choicesOf(props, isForeign);
  return (
    <fieldset className="jp-Pelagos-fieldset">
      <legend>{trans.__('Where it goes')}</legend>
      {choices.map(({ value, title, text, can }) => (
        <div key={value} className="jp-Pelagos-choice">
          <input
            type="radio"
            id={`${name}-${value}`}
            name={name}
            checked={value === 'folder' ? isFolder(to) : to === value}
            disabled={!can}
            aria-describedby={`${name}-${value}-text`}
            onChange={() => onChange(value === 'folder' ? folder : value)}
          />
          <label htmlFor={`${name}-${value}`}>{title}</label>
          <span id={`${name}-${value}-text`} className="jp-Pelagos-dim">
            {text}
          </span>
        </div>
      ))}
      {isFolder(to) && typed}
    </fieldset>
  );
}

function choicesOf({ trans, about, basket }: ITargetProps, isForeign: boolean) {
  const choices = [
    {
      value: 'dataspace',
      title: trans.__('Dataspace'),
      text: trans.__('Fast, on this server’s own disk. What nobody uses expires.'),
      can: !!about?.dataspace
    },
    {
      value: 'workspace',
      title: trans.__('Workspace'),
      text: about?.workspace
        ? trans.__('Stays until you remove it. Slower to fill and to read.')
        : trans.__('There is none in this environment.'),
      can: !!about?.workspace
    }
  ];
  if (isForeign || isFolder(basket.to)) {
    choices.push({
      value: 'folder',
      title: trans.__('A folder'),
      text: trans.__('Of your home. This server fetches by itself while it runs.'),
      can: true
    });
  }
  return choices;
}

/** Whether to cut out, with what would be cut out; nothing where no granule has a cut. */
export function Cut({
  trans,
  basket,
  onChange
}: IFieldProps<boolean> & { basket: IBasket }): JSX.Element | null {
  const id = useId();
  const cuts = useMemo(() => cutsOf(basket.items), [basket.items]);
  if (!cuts.length) {
    return null;
  }
  return (
    <div className="jp-Pelagos-choice">
      <input
        type="checkbox"
        id={id}
        checked={basket.cut}
        aria-describedby={`${id}-text`}
        onChange={event => onChange(event.target.checked)}
      />
      <label htmlFor={id}>
        {trans.__('Cut out the box and time where a source can')}
      </label>
      <span id={`${id}-text`} className="jp-Pelagos-dim">
        {cuts.length > 1
          ? trans._n('%1 box or time', '%1 different boxes or times', cuts.length)
          : cutText(cuts[0], trans)}
      </span>
    </div>
  );
}

export function Title({
  trans,
  title,
  onChange
}: IFieldProps<string> & { title: string }): JSX.Element {
  return (
    <Typed
      label={trans.__('Title (optional)')}
      help={trans.__('To find the order again.')}
      value={title}
      limit={200}
      onChange={onChange}
    />
  );
}

/** Text that is taken when it is left, or by Enter. */
function Typed({
  label,
  help,
  value,
  limit = 1000,
  isNeeded = false,
  onChange
}: {
  label: string;
  help: string;
  value: string;
  limit?: number;
  isNeeded?: boolean;
  onChange: (value: string) => void;
}): JSX.Element {
  const id = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const take = () => {
    const taken = text.trim();
    if (isNeeded && !taken) {
      setText(value);
    } else if (taken !== value) {
      onChange(taken);
    }
  };
  return (
    <div className="jp-Pelagos-field">
      <label htmlFor={id}>{label}</label>
      <input
        type="text"
        id={id}
        className="jp-mod-styled"
        value={text}
        maxLength={limit}
        aria-describedby={`${id}-help`}
        onChange={event => setText(event.target.value)}
        onBlur={take}
        onKeyDown={event => {
          if (event.key === 'Enter') {
            // it sends the form only from its button
            event.preventDefault();
            take();
          }
        }}
      />
      <span id={`${id}-help`} className="jp-Pelagos-dim">
        {help}
      </span>
    </div>
  );
}

/** Terms of a licence, to be accepted. */
export function Terms({
  trans,
  terms,
  accepted,
  onChange
}: IFieldProps<boolean> & { terms: ITerms; accepted: boolean }): JSX.Element {
  const id = useId();
  const title = terms.title || terms.key;
  return (
    <fieldset className="jp-Pelagos-fieldset">
      <legend>{trans.__('Terms of %1', title)}</legend>
      {terms.text && (
        <p className="jp-Pelagos-terms" tabIndex={0} role="region" aria-label={title}>
          {terms.text}
        </p>
      )}
      {terms.url && (
        <p>
          <Link url={terms.url}>{trans.__('Read the whole terms')}</Link>
        </p>
      )}
      <div className="jp-Pelagos-choice">
        <input
          type="checkbox"
          id={id}
          checked={accepted}
          onChange={event => onChange(event.target.checked)}
        />
        <label htmlFor={id}>{trans.__('I accept the terms of %1', title)}</label>
      </div>
    </fieldset>
  );
}
