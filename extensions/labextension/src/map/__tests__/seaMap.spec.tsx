import { nullTranslator } from '@jupyterlab/translation';
import { act, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { Box } from '../../types';
import { MapEngine } from '../engine';
import { ISeaMapProps, SeaMap } from '../seaMap';
import { onTheme, readColours, withAlpha } from '../theme';

// the real engine, of which only what it draws is missing: jsdom has no canvas
HTMLCanvasElement.prototype.getContext = (() => null) as any;

const trans = nullTranslator.load('x');
const user = userEvent.setup();

async function show(props: Partial<ISeaMapProps> = {}) {
  const setBox = jest.spyOn(MapEngine.prototype, 'setBox');
  const dispose = jest.spyOn(MapEngine.prototype, 'dispose');
  const element = (more: Partial<ISeaMapProps> = {}) => (
    <SeaMap label="Map" trans={trans} box={null} {...props} {...more} />
  );
  const drawn = render(element());
  const map = screen.getByRole('application', { name: 'Map' });
  await waitFor(() => expect(map.getAttribute('aria-busy')).toBe('false'));
  const change = (more: Partial<ISeaMapProps>) => drawn.rerender(element(more));
  return { ...drawn, map, change, setBox, dispose };
}

afterEach(() => jest.restoreAllMocks());

describe('the map', () => {
  it('can be reached and told by who does not see it', async () => {
    const { map } = await show({ onBox: jest.fn() });
    expect(map.tabIndex).toBe(0);
    const hint = document.getElementById(map.getAttribute('aria-describedby')!)!;
    expect(hint.textContent).toContain('Arrow keys move the map');
    for (const name of ['Zoom in', 'Zoom out', 'Whole world']) {
      expect(screen.getByRole('button', { name })).toBeTruthy();
    }
  });

  it('has no tools for a box that is only shown', async () => {
    await show({ box: [0, 0, 1, 1] });
    expect(screen.queryByRole('button', { name: 'Draw a box' })).toBeNull();
  });

  it('draws a box on demand until Escape, and clears it by Delete', async () => {
    const onBox = jest.fn();
    const { map, change, setBox } = await show({ onBox });
    const draw = screen.getByRole('button', { name: 'Draw a box' });
    await user.click(draw);
    expect(draw.getAttribute('aria-pressed')).toBe('true');
    act(() => map.focus());
    await user.keyboard('{Escape}');
    expect(draw.getAttribute('aria-pressed')).toBe('false');
    await user.keyboard('{Delete}');
    expect(onBox).not.toHaveBeenCalled();
    change({ box: [1, 2, 3, 4] });
    expect(setBox).toHaveBeenLastCalledWith([1, 2, 3, 4]);
    await user.keyboard('{Delete}');
    expect(onBox).toHaveBeenLastCalledWith(null);
    await user.click(screen.getByRole('button', { name: 'Clear' }));
    expect(onBox).toHaveBeenCalledTimes(2);
  });

  it('goes on with the same box without being told again', async () => {
    const { change, setBox } = await show({ box: [1, 2, 3, 4] });
    const times = setBox.mock.calls.length;
    change({ box: [1, 2, 3, 4] as Box });
    expect(setBox).toHaveBeenCalledTimes(times);
  });

  it('ends with its component', async () => {
    const { unmount, dispose } = await show();
    unmount();
    expect(dispose).toHaveBeenCalledTimes(1);
  });

  it('names who made its tiles', async () => {
    const { change } = await show({ tileAttribution: '© tiles' });
    expect(screen.queryByText('© tiles')).toBeNull();
    change({ tileUrl: 'https://tiles.test/{z}/{x}/{y}.png' });
    expect(screen.getByText('© tiles')).toBeTruthy();
  });
});

describe('its colours', () => {
  it('are those of the theme, told again when that changes', async () => {
    document.body.style.setProperty('--jp-brand-color1', 'rgb(1, 2, 3)');
    expect(readColours(document.body).chosen).toBe('rgb(1, 2, 3)');
    const call = jest.fn();
    const stop = onTheme(call);
    document.body.setAttribute('data-jp-theme-light', 'false');
    await waitFor(() => expect(call).toHaveBeenCalledTimes(1));
    stop();
    document.body.setAttribute('data-jp-theme-light', 'true');
    await Promise.resolve();
    expect(call).toHaveBeenCalledTimes(1);
  });

  it('can be seen through, however the theme writes them', () => {
    const context = {
      value: '',
      set fillStyle(text: string) {
        this.value = text === 'navy' ? '#000080' : text;
      },
      get fillStyle() {
        return this.value;
      }
    };
    jest.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(context as any);
    expect(withAlpha('navy', 0.5)).toBe('rgba(0, 0, 128, 0.5)');
    expect(withAlpha('rgba(1, 2, 3, 0.9)', 0.5)).toBe('rgba(1, 2, 3, 0.5)');
    expect(withAlpha('color(srgb 1 0 0)', 0.5)).toBe('color(srgb 1 0 0)');
  });
});
