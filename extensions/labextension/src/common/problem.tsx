import { TranslationBundle } from '@jupyterlab/translation';
import { ReactNode } from 'react';

import { ApiError } from '../api';
import { Button } from './button';

export interface IProblemProps {
  trans: TranslationBundle;
  /** What went wrong: an ApiError has a reason and a mend. */
  error: unknown;
  /** Before the reason, where it is not clear what failed. */
  title?: string;
  /** Offered as "Try again", but not to who has to sign in. */
  onRetry?: () => void;
  /** For tests: what "Reload" does. */
  onReload?: () => void;
  /** Further next steps. */
  children?: ReactNode;
}

/** What went wrong and why, and what to do next. Draws nothing without an error. */
export function Problem({
  trans,
  error,
  title,
  onRetry,
  onReload = () => window.location.reload(),
  children
}: IProblemProps): JSX.Element | null {
  if (!error) {
    return null;
  }
  const known = error instanceof ApiError ? error : null;
  return (
    <div role="alert" className="jp-Pelagos-problem">
      {title && <strong>{title} </strong>}
      <span>{known ? known.reason : trans.__('Something went wrong in this page.')}</span>
      {known?.mend && <span> {known.mend}</span>}
      {!known && <span> {String((error as Error).message ?? error)}</span>}
      <div className="jp-Pelagos-buttons">
        {known?.isSignedOut ? (
          <Button onClick={onReload}>{trans.__('Reload')}</Button>
        ) : (
          onRetry && <Button onClick={onRetry}>{trans.__('Try again')}</Button>
        )}
        {children}
      </div>
    </div>
  );
}
