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

/** Addresses of catalogues may be anything, also code. */
export function isWeb(url: string): boolean {
  try {
    return ['http:', 'https:'].includes(new URL(url, window.location.href).protocol);
  } catch {
    return false;
  }
}
