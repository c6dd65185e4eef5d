import { Cell, ICellModel } from '@jupyterlab/cells';
import { NotebookPanel } from '@jupyterlab/notebook';
import { KernelSpec } from '@jupyterlab/services';

/** Metadata of a cell that was made here: what it is for, by `key`. */
const METADATA = 'pelagos';
/** Milliseconds that a kernel is waited for, before the notebook's metadata have to do. */
const KERNEL_WAIT = 3000;

export type Done = 'inserted' | 'replaced' | 'read-only';

/**
 * Put code into a notebook: in place of the cell with this key, else as a new cell.
 *
 * `index` is where a new cell goes; below the active one if it is undefined. One step of undo. Nothing
 * is run.
 */
export function putCell(
  { content }: NotebookPanel,
  key: string,
  code: string,
  index?: number
): Done {
  const { model } = content;
  if (!model || model.readOnly) {
    return 'read-only';
  }
  const known = content.widgets.findIndex(cell => isOurs(cell.model, key));
  if (known >= 0) {
    const cell = content.widgets[known];
    if (cell.model.sharedModel.getSource() !== code) {
      cell.model.sharedModel.setSource(code);
    }
    show(content, known);
    return 'replaced';
  }
  const [first] = content.widgets;
  if (content.widgets.length === 1 && first.model.type === 'code' && isBlank(first)) {
    const cell = first.model.sharedModel;
    cell.transact(() => {
      cell.setSource(code);
      cell.setMetadata(METADATA, { key });
    });
    show(content, 0);
    return 'inserted';
  }
  const below = content.activeCell ? content.activeCellIndex + 1 : 0;
  const place = Math.min(index ?? below, content.widgets.length);
  model.sharedModel.insertCell(place, {
    cell_type: 'code',
    source: code,
    // trusted as what a person puts in by hand: it has no output yet
    metadata: { [METADATA]: { key }, trusted: true }
  });
  show(content, place);
  return 'inserted';
}

function isOurs(model: ICellModel, key: string): boolean {
  const found = model.getMetadata(METADATA) as { key?: unknown } | undefined;
  return (
    model.type === 'code' && found?.key === key && model.getMetadata('editable') !== false
  );
}

/** Whether a cell is as a new notebook has it. */
function isBlank({ model }: Cell): boolean {
  const outputs = (model.toJSON() as { outputs?: unknown[] }).outputs ?? [];
  return (
    !model.sharedModel.getSource().trim() &&
    !outputs.length &&
    model.getMetadata('editable') !== false
  );
}

function show(content: NotebookPanel['content'], index: number): void {
  content.deselectAll();
  content.activeCellIndex = index;
  const cell: Cell | null = content.activeCell;
  if (cell && content.isVisible) {
    void content.scrollToItem(index, 'smart');
  }
}

/**
 * The language of a notebook's kernel, in small letters: as the kernel says it, else as the notebook
 * does, else Python.
 */
export async function languageOfNotebook(
  panel: NotebookPanel,
  specs: KernelSpec.ISpecModels | null
): Promise<string> {
  const kernel = panel.sessionContext.session?.kernel;
  const name = kernel?.name ?? panel.sessionContext.kernelPreference.name ?? '';
  const spec = specs?.kernelspecs[name]?.language;
  if (spec) {
    return spec.toLowerCase();
  }
  const info = kernel && (await within(kernel.info, KERNEL_WAIT, null));
  const metadata = panel.content.model?.metadata as
    { language_info?: { name?: string }; kernelspec?: { language?: string } } | undefined;
  return (
    info?.language_info.name ??
    metadata?.kernelspec?.language ??
    metadata?.language_info?.name ??
    'python'
  ).toLowerCase();
}

/** What a promise gives, or `otherwise` if it fails or takes longer. */
export async function within<T, F>(
  promise: Promise<T>,
  milliseconds: number,
  otherwise: F
): Promise<T | F> {
  let clock = 0;
  const late = new Promise<F>(resolve => {
    clock = window.setTimeout(() => resolve(otherwise), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } catch {
    return otherwise;
  } finally {
    window.clearTimeout(clock);
  }
}
