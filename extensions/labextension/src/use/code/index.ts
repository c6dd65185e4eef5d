import { julia } from './julia';
import { ILanguage } from './material';
import { python } from './python';
import { r } from './r';

export { IQuery, Material } from './material';
export { searchScript } from './python';

/** The maker of code for a kernel's language, null if there is none for it. */
export function languageOf(name: string): ILanguage | null {
  switch (name.toLowerCase()) {
    case 'python':
    case 'ipython':
      return python;
    case 'r':
      return r;
    case 'julia':
      return julia;
    default:
      return null;
  }
}
