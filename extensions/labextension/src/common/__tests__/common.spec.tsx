import { nullTranslator } from '@jupyterlab/translation';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { ApiError } from '../../api';
import { Confirm, Meter, Problem, Progress, format } from '..';

const trans = nullTranslator.load('x');
const NOW = Date.UTC(2026, 10, 21, 12);

describe('sizes and times', () => {
  afterEach(() => {
    document.documentElement.lang = '';
  });

  it('are in units that people read', () => {
    expect(format.bytes(0)).toBe('0\u00a0B');
    expect(format.bytes(1536)).toBe('1.5\u00a0KiB');
    expect(format.bytes(1024 ** 3 - 1)).toBe('1\u00a0GiB');
    expect(format.bytes(123.4 * 1024 ** 2)).toBe('123\u00a0MiB');
    expect(format.percent(0.999)).toBe('99%');
    expect(format.percent(1)).toBe('100%');
  });

  it('follow the language of JupyterLab', () => {
    document.documentElement.lang = 'fr';
    expect(format.bytes(1536)).toBe('1,5\u00a0KiB');
    expect(format.relative(NOW / 1000 + 7300, NOW)).toBe('dans 2 heures');
  });

  it('survive a language that is none', () => {
    document.documentElement.lang = 'not a language';
    expect(format.number(1234)).toBe('1,234');
  });

  it('never promise more time than there is', () => {
    expect(format.relative(NOW / 1000 + 3 * 86400 - 1, NOW)).toBe('in 2 days');
    expect(format.relative('2026-11-21T11:00:00Z', NOW)).toBe('60 minutes ago');
    expect(format.relative(NOW / 1000, NOW + 500)).toBe('now');
    expect(format.relative('nonsense', NOW)).toBe('');
    expect(format.moment('nonsense')).toBe('');
  });

  it('never promise that something is quicker than it is', () => {
    expect(format.duration(61)).toBe('2 min');
    expect(format.duration(0)).toBe('1 sec');
  });
});

describe('a problem', () => {
  it('says why, what to do, and can be tried again', async () => {
    const again = jest.fn();
    const error = new ApiError(503, 'The hub does not answer.', 'Wait a minute.');
    render(<Problem trans={trans} error={error} onRetry={again} />);
    expect(screen.getByRole('alert').textContent).toContain(
      'The hub does not answer. Wait a minute.'
    );
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(again).toHaveBeenCalledTimes(1);
  });

  it('leads to the sign-in when that has ended', async () => {
    const reload = jest.fn();
    const error = new ApiError(401, 'Your sign-in has ended.', 'Reload the page.');
    render(
      <Problem trans={trans} error={error} onRetry={() => undefined} onReload={reload} />
    );
    expect(screen.queryByRole('button', { name: 'Try again' })).toBeNull();
    await userEvent.click(screen.getByRole('button', { name: 'Reload' }));
    expect(reload).toHaveBeenCalledTimes(1);
  });

  it('is nothing where there is none', () => {
    const { container } = render(<Problem trans={trans} error={null} />);
    expect(container.childElementCount).toBe(0);
  });
});

describe('bars', () => {
  it('say their value', () => {
    render(<Progress label="Order 1" value={0.425} />);
    const bar = screen.getByRole('progressbar', { name: 'Order 1' });
    expect(bar.getAttribute('aria-valuenow')).toBe('42');
  });

  it('say nothing that nobody knows', () => {
    render(<Progress label="Order 1" value={null} />);
    expect(screen.getByRole('progressbar').hasAttribute('aria-valuenow')).toBe(false);
  });

  it('do not overflow', () => {
    render(<Meter label="Space" used={30} total={20} text="30 of 20" />);
    expect(screen.getByRole('meter').getAttribute('aria-valuenow')).toBe('100');
    expect(screen.getByRole('meter').className).toContain('jp-mod-high');
  });
});

describe('a button that asks', () => {
  it('keeps the focus and can be left by Escape', async () => {
    const user = userEvent.setup();
    const done = jest.fn();
    render(
      <Confirm label="Forget" question="Forget it?" yes="Yes" no="No" onConfirm={done} />
    );
    await user.click(screen.getByRole('button', { name: 'Forget' }));
    expect(document.activeElement?.textContent).toBe('No');
    await user.keyboard('{Escape}');
    expect(document.activeElement?.textContent).toBe('Forget');
    expect(done).not.toHaveBeenCalled();
    await user.keyboard('{Enter}{Tab}{Enter}');
    expect(done).toHaveBeenCalledTimes(1);
  });
});
