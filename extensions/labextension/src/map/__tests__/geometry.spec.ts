import {
  boxOf,
  degrees,
  digitsFor,
  dragged,
  gripAt,
  halvesOf,
  ringsOf,
  unwrapped,
  wrapped,
  placeText
} from '../geometry';

describe('longitudes', () => {
  it('go round the world', () => {
    expect([190, -190, 540, -180, 180, 0].map(wrapped)).toEqual([
      -170, 170, 180, -180, 180, 0
    ]);
  });

  it('are said as people do', () => {
    expect(degrees(190, 'lon')).toBe('170° W');
    expect(degrees(-33.25, 'lat', 1)).toBe('33.3° S');
    expect([degrees(0, 'lon'), degrees(180, 'lon')]).toEqual(['0°', '180°']);
    expect(placeText([170, -20.1234, -170.5, 0])).toBe(
      '20.12° S – 0°, 170° E – 170.5° W'
    );
    expect(placeText([-12, 40.5, -12, 40.5])).toBe('40.5° N, 12° W');
  });

  it('are not said of what goes round the world', () => {
    expect(placeText([-180, -78, 180, 90])).toBe('78° S – 90° N');
  });

  it('have the decimals of the language of the page', () => {
    document.documentElement.lang = 'fr';
    expect(placeText([-12, -10.5, -12, -10.5])).toBe('10,5° S, 12° W');
    expect(degrees(0, 'lat', 1)).toBe('0,0°');
    document.documentElement.lang = '';
  });

  it('have as many decimals as a pixel deserves', () => {
    expect([1.4, 0.6, 0.05, 0.00001].map(digitsFor)).toEqual([0, 1, 2, 4]);
  });
});

describe('a box drawn', () => {
  it('across the antimeridian has its west east of its east', () => {
    expect(boxOf([170, -20, 200, 10])).toEqual([170, -20, -160, 10]);
    expect(boxOf([-200, -20, -170, 10])).toEqual([160, -20, -170, 10]);
  });

  it('up to the antimeridian does not cross it', () => {
    expect(boxOf([150, 0, 180, 10])).toEqual([150, 0, 180, 10]);
    expect(boxOf([180, 0, 200, 10])).toEqual([-180, 0, -160, 10]);
    expect(boxOf([179.996, 0, 200, 10])).toEqual([-180, 0, -160, 10]);
  });

  it('round the world is the world, and ends at the poles', () => {
    expect(boxOf([-200, -95, 200, 100])).toEqual([-180, -90, 180, 90]);
  });

  it('has no minus zero', () => {
    expect(Object.is(boxOf([-0.001, -0.001, 3, 3], 0)[0], 0)).toBe(true);
  });
});

describe('a box taken', () => {
  const extent = unwrapped([170, -10, -170, 10]);

  it('is found in every copy of the world', () => {
    expect(gripAt(extent, [180, 0], 1)).toEqual({ grip: 'move', shift: 0 });
    expect(gripAt(extent, [-180, 0], 1)).toEqual({ grip: 'move', shift: -360 });
    expect(gripAt(extent, [540, 0], 1)).toEqual({ grip: 'move', shift: 360 });
    expect(gripAt(extent, [0, 0], 1)).toBeNull();
    expect(gripAt(extent, [180, 30], 1)).toBeNull();
  });

  it('at its sides and corners is resized', () => {
    expect(gripAt(extent, [170.5, 0], 1)?.grip).toEqual({ x: 'w', y: '' });
    expect(gripAt(extent, [-170.5, 9.5], 1)?.grip).toEqual({ x: 'e', y: 'n' });
    // a box smaller than its grips: the nearer side
    expect(gripAt([0, 0, 1, 1], [0.9, 0.1], 3)?.grip).toEqual({ x: 'e', y: 's' });
  });

  it('is moved over the antimeridian, and not over a pole', () => {
    const moved = dragged([170, 60, 178, 80], 'move', 10, 40);
    expect(boxOf(moved)).toEqual([-180, 70, -172, 90]);
  });

  it('is turned over where a side passes the other one', () => {
    expect(dragged([0, 0, 10, 10], { x: 'w', y: 'n' }, 15, -20)).toEqual([
      10, -10, 15, 0
    ]);
  });
});

describe('a box shown', () => {
  it('across the antimeridian is on both sides, and its area only once', () => {
    expect(ringsOf([170, -10, -170, 10]).map(([first]) => first)).toEqual([
      [170, -10],
      [-190, -10]
    ]);
    expect(halvesOf([170, -10, -170, 10])).toEqual([
      [170, -10, 180, 10],
      [-180, -10, -170, 10]
    ]);
    expect(ringsOf([0, 0, 1, 1])).toHaveLength(1);
  });
});
