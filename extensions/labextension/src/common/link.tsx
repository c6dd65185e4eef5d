import { ReactNode } from 'react';

/** A link out of JupyterLab; only its text where the address is none of the web. */
export function Link({
  url,
  children
}: {
  url: string;
  children: ReactNode;
}): JSX.Element {
  return isWeb(url) ? (
    <a className="jp-Pelagos-link" href={url} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  ) : (
    <>{children}</>
  );
}

/** Addresses of catalogues may be anything, also code. Paths are those of this hub. */
export function isWeb(url: string): boolean {
  return /^\/(?!\/)/.test(url) || isAddress(url);
}

/** Whether a text is a whole address of the web. */
export function isAddress(text: string): boolean {
  try {
    return ['http:', 'https:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}
