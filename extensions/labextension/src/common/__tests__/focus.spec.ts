import { waitFor } from '@testing-library/react';

import { keepFocus } from '..';

let root: HTMLElement;

beforeEach(() => {
  document.body.innerHTML = `
    <button id="outside">x</button>
    <div id="root">
      <div id="list">
        <article id="one" tabindex="-1"><button id="forget">Forget</button></article>
        <article id="two" tabindex="-1"><button>Forget</button></article>
      </div>
      <form id="form">
        <div id="refused"><button id="leave">Leave it out</button></div>
        <div><button id="order">Order</button></div>
      </form>
    </div>`;
  root = of('root');
});

function of(id: string): HTMLElement {
  return document.getElementById(id)!;
}

async function focusIs(id: string): Promise<void> {
  await waitFor(() => expect(document.activeElement?.id).toBe(id));
}

describe('the focus of what goes away', () => {
  it('goes to the neighbour in a list', async () => {
    keepFocus(root);
    of('forget').focus();
    of('one').remove();
    await focusIs('two');
  });

  it('goes to what surrounds it, and to no other button', async () => {
    keepFocus(root);
    of('leave').focus();
    of('refused').remove();
    await focusIs('form');
  });

  it('does not stay on what was switched off', async () => {
    keepFocus(root);
    of('leave').focus();
    (of('leave') as HTMLButtonElement).disabled = true;
    await focusIs('refused');
  });

  it('is left to who has it meanwhile, and to who has gone', async () => {
    const kept = keepFocus(root);
    of('leave').focus();
    of('outside').focus();
    of('refused').remove();
    await Promise.resolve();
    expect(document.activeElement?.id).toBe('outside');

    kept.dispose();
    of('order').focus();
    of('form').remove();
    await Promise.resolve();
    expect(document.activeElement).toBe(document.body);
  });
});
