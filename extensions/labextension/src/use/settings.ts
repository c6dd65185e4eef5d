import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { TranslationBundle } from '@jupyterlab/translation';

/**
 * Show the settings in the language of JupyterLab.
 *
 * The server translates schemas by what is in language packs, where nobody has ours, so it is done
 * here: with the contexts that it uses, as `assets/translations.py` collects them. `id` is that of a
 * plugin whose schema has `jupyter.lab.transform`.
 */
export function translateSettings(
  registry: ISettingRegistry,
  id: string,
  trans: TranslationBundle
): void {
  registry.transform(id, {
    fetch: plugin => ({ ...plugin, schema: translated(plugin.schema, trans) })
  });
}

/** A schema with titles and descriptions in another language. */
export function translated(
  schema: ISettingRegistry.ISchema,
  trans: TranslationBundle
): ISettingRegistry.ISchema {
  const label = 'jupyter.lab.setting-icon-label';
  const made = { ...schema, ...said(schema, 'schema', trans) };
  if (schema[label]) {
    made[label] = trans.pgettext('settings', schema[label]);
  }
  if (schema.properties) {
    made.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, one]) => [
        name,
        { ...one, ...said(one, 'settings', trans) }
      ])
    );
  }
  return made;
}

function said(
  one: { title?: string; description?: string },
  context: string,
  trans: TranslationBundle
): { title?: string; description?: string } {
  return {
    ...(one.title ? { title: trans.pgettext(context, one.title) } : {}),
    ...(one.description ? { description: trans.pgettext(context, one.description) } : {})
  };
}
