import { Clipboard } from '@jupyterlab/apputils';

/** Copy a text; also over plain HTTP, where a page has no `navigator.clipboard`. */
export function copyText(text: string): void {
  if (navigator.clipboard?.writeText) {
    navigator.clipboard.writeText(text).catch(() => Clipboard.copyToSystem(text));
  } else {
    Clipboard.copyToSystem(text);
  }
}
