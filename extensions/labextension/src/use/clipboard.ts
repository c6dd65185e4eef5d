import { Clipboard } from '@jupyterlab/apputils';

/** Copy text. Browsers give the new interface to safe origins only, so there is the old one too. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    Clipboard.copyToSystem(text);
  }
}
