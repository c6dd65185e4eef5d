import { Notification } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { citationText, showCitations } from '../cite';

describe('citations', () => {
  it('are told of when they were copied', async () => {
    const user = userEvent.setup(); // with a clipboard
    const one = { title: 'T', text: 'Cite T.', doi: '', licence_text: '', url: '' };
    const shown = showCitations(nullTranslator.load('x'), 'Order 7', [
      { ...one, licence: '' }
    ]);
    await user.click(await screen.findByRole('button', { name: 'Copy', hidden: true }));
    await shown;
    expect(await navigator.clipboard.readText()).toBe('Cite T.');
    expect(Notification.manager.notifications.map(note => note.message)).toEqual([
      'The citation was copied.'
    ]);
    Notification.dismiss();
  });

  it('are copied with their licence', () => {
    const one = { title: 'T', text: 'Cite T.', doi: '', licence_text: '', url: '' };
    expect(
      citationText([
        { ...one, licence: 'CC-BY-4.0' },
        { ...one, text: '', licence: '' }
      ])
    ).toBe('Cite T.\nCC-BY-4.0\n\nT');
    const terms = { ...one, licence: 'other', licence_text: 'Name\nus.' };
    expect(citationText([terms, { ...one, licence: 'Various' }])).toBe(
      'Cite T.\nName us.\n\nCite T.'
    );
  });

  it('have the terms of a licence without a name', async () => {
    const one = { title: 'T', text: 'Cite T.', doi: '', url: '' };
    const shown = showCitations(nullTranslator.load('x'), 'Order 7', [
      { ...one, licence: 'other', licence_text: 'Name us.' },
      { ...one, licence: 'proprietary', licence_text: '' }
    ]);
    await screen.findByText('Licence: Name us.');
    expect(screen.queryByText(/other|proprietary/)).toBeNull();
    await userEvent.click(screen.getByRole('button', { name: 'Close', hidden: true }));
    await shown;
  });
});
