import { nullTranslator } from '@jupyterlab/translation';

import { ICitation, IOrder, IOrderFile, NO_CRITERIA } from '../../types';
import { Material, languageOf, searchScript } from '../code';
import { quote as julia } from '../code/julia';
import { formatOf } from '../code/material';
import { quote as python } from '../code/python';
import { quote as r } from '../code/r';
import { comment } from '../code/text';

const trans = nullTranslator.load('jupyterlab_pelagos');

const NASTY = [
  'plain.nc',
  'with "double" and \'single\'',
  'back\\slash\\n',
  'line\nbreak\r\nand\ttab',
  '$HOME $(rm -rf ~) ${x}',
  'Température à 10 m — été',
  'separator\u2028and\u2029and\u0085next',
  'bidi \u202eevil\u202c',
  'end with backslash\\',
  '"""',
  '`x` %s {x} #{x} #= =#',
  'null\u0000byte and bell\u0007'
];

const CITATION: ICitation = {
  title: 'Profiles',
  text: 'Somebody (2020). Profiles.',
  doi: '10.1/x',
  licence: 'CC-BY-4.0',
  licence_text: '',
  url: ''
};

function order(part: Partial<IOrder> = {}): IOrder {
  return {
    id: '7',
    number: 7,
    state: 'ready',
    title: 'Winter',
    to: 'dataspace',
    created: null,
    finished: null,
    expires: null,
    sequence: 1,
    files: { total: 1, ready: 1, failed: 0, waiting: 0, cached: 0 },
    bytes: { known: 1, unknown: 0, done: 1 },
    folder: '/dataspace/me/orders/7',
    contents: 'orders/7',
    error: '',
    next_step: '',
    notes: [],
    can_cancel: false,
    can_retry: false,
    ...part
  };
}

function file(local: string | null, type = ''): IOrderFile {
  return {
    path: 'x',
    collection: 'c',
    item: 'i',
    asset: 'data',
    state: 'ready',
    size: 1,
    done: 1,
    type,
    error: '',
    notes: [],
    local
  };
}

function cell(language: string, material: Material): string {
  return languageOf(language)!.cell(material, trans);
}

const ofOrder = (
  found: Partial<IOrder>,
  files: IOrderFile[] = [],
  more = false
): Extract<Material, { kind: 'order' }> => ({
  kind: 'order',
  order: order(found),
  files,
  more,
  joinable: false,
  citations: []
});

describe('strings', () => {
  it.each(NASTY)('are the same again as JSON reads them: %j', text => {
    // what is in the basic plane is written as in JSON
    expect(JSON.parse(python(text))).toBe(text);
    expect(JSON.parse(r(text))).toBe(text.replace('\0', ''));
    expect(JSON.parse(julia(text).replace(/\\\$/g, '$'))).toBe(text);
  });

  it.each(NASTY)('are one line of what can be seen: %j', text => {
    for (const quote of [python, r, julia]) {
      expect(quote(text)).toMatch(/^"[^\p{C}\p{Zl}\p{Zp}]*"$/u);
    }
  });

  it('do not put in values in Julia', () => {
    expect(julia('a $(run(`x`)) \\$b')).toBe('"a \\$(run(`x`)) \\\\\\$b"');
  });

  it('escape what is beyond the basic plane only if it can not be seen', () => {
    expect(python('🐋 \u{e0001}')).toBe('"🐋 \\U000e0001"');
  });

  it('keep bytes that are no text, as Python has them in paths', () => {
    expect(python('a\udc80')).toBe('"a\\udc80"');
    expect(r('a\udc80')).toBe('"a\ufffd"');
    expect(julia('a\udc80')).toBe('"a\ufffd"');
  });
});

describe('comments', () => {
  it.each(NASTY)('stay comments: %j', text => {
    const lines = comment(text)
      .join('\n')
      .split(/[\n\r\v\f\u0085\u2028\u2029]/);
    expect(lines.every(line => line.startsWith('# '))).toBe(true);
  });

  it('are wrapped between words', () => {
    const lines = comment('word '.repeat(60));
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.every(line => line.length <= 92)).toBe(true);
    expect(comment(' \n ')).toEqual([]);
  });

  it('can not begin a block of comment in Julia', () => {
    expect(comment('=# run(`x`) #=')).toEqual(['# =# run(`x`) #=']);
  });
});

describe('a format', () => {
  it('is told by name or media type', () => {
    expect(formatOf('/a/B.NC', '')).toBe('netcdf');
    expect(formatOf('/a/b', 'application/x-netcdf')).toBe('netcdf');
    expect(formatOf('/a/b.zarr/', '')).toBe('zarr');
    expect(formatOf('/a/b', 'application/vnd+zarr; version=3')).toBe('zarr');
    expect(formatOf('/a/b.csv', '')).toBe('csv');
    expect(formatOf('/a/odv.txt', 'text/plain')).toBe('other');
  });
});

describe('Python', () => {
  it('opens an order of the data pool by its number, and cites it', () => {
    const material = ofOrder({});
    material.citations = [CITATION];
    expect(cell('python', material)).toBe(
      [
        '# Order 7: Winter',
        '# Cite: Somebody (2020). Profiles. https://doi.org/10.1/x',
        '# Licence: CC-BY-4.0',
        '',
        'import pelagos_client as pelagos',
        '',
        'order = pelagos.get(7)',
        'data = pelagos.open(order)',
        'data'
      ].join('\n')
    );
  });

  it('opens another order by its folder, wherever the notebook is', () => {
    const code = cell(
      'python',
      ofOrder({ to: 'pelagos-orders', folder: '/home/a "b"/1' })
    );
    expect(code).toContain('order = pelagos.get("/home/a \\"b\\"/1")\n');
  });

  it('waits for an order that is under way, and fetches one again that is gone', () => {
    expect(cell('python', ofOrder({ state: 'fetching' }))).toContain(
      'pelagos.get(7).wait()'
    );
    expect(cell('python', ofOrder({ state: 'expired' }))).toContain(
      'pelagos.get(7).retry().wait()'
    );
  });

  it('tells how several files are joined, where they can be', () => {
    const files = { total: 3, ready: 3, failed: 0, waiting: 0, cached: 0 };
    expect(cell('python', { ...ofOrder({ files }), joinable: true })).toContain(
      '\n# data = pelagos.open(order, combine=True)\ndata'
    );
    expect(cell('python', ofOrder({ files }))).not.toContain('combine');
  });

  it('opens files by what they are', () => {
    const open = (path: string) =>
      cell('python', { kind: 'file', path, type: '', citations: [] });
    expect(open('/a.nc')).toContain('xr.open_dataset("/a.nc")');
    expect(open('/a.zarr')).toContain('xr.open_zarr("/a.zarr")');
    expect(open('/a.csv')).toContain('pelagos.open("/a.csv")');
    expect(open('/odv.txt')).toContain('pelagos.open("/odv.txt")');
  });

  it('finds a granule again, in another catalogue by its address', () => {
    const granule: Material = {
      kind: 'granule',
      catalogue: '',
      collection: 'c"',
      item: 'i',
      title: 'T\nimport os',
      citations: []
    };
    expect(cell('python', granule)).toBe(
      [
        '# T import os',
        '',
        'import pelagos_client as pelagos',
        '',
        'items = pelagos.search(ids=["i"], collections=["c\\""])',
        'data = pelagos.open(items)',
        'data'
      ].join('\n')
    );
    expect(cell('python', { ...granule, catalogue: 'https://x.org/v1' })).toContain(
      'collections=["c\\""], url="https://x.org/v1")\ndata = pelagos.open(items)\n'
    );
  });

  it.each([
    ['http://127.0.0.1/api', '127.0.0.1'],
    ['http://data.example.org:8080/', 'data.example.org:8080'],
    ['http://stac/', 'stac'],
    ['https://stac.lan/', 'stac.lan']
  ])('lets a catalogue of the local network give its files: %s', (catalogue, host) => {
    const granule: Material = {
      kind: 'granule',
      catalogue,
      collection: 'c',
      item: 'i',
      title: '',
      citations: []
    };
    expect(cell('python', granule)).toContain(
      `data = pelagos.open(items, private_hosts=["${host}"])`
    );
  });

  it('says what a licence without a name says, if it says something', () => {
    const open = (licence: string, licence_text: string) =>
      cell('python', {
        kind: 'file',
        path: '/a.nc',
        type: '',
        citations: [{ ...CITATION, licence, licence_text }]
      });
    expect(open('CC0-1.0', 'Free.')).toContain('# Licence: CC0-1.0\n');
    expect(open('other', 'Name us.\nTell us.')).toContain(
      '# Licence: Name us. Tell us.\n'
    );
    expect(open('Proprietary', '')).not.toContain('Licence');
    const long = open('various', 'terms '.repeat(100));
    expect(long).toContain(' terms …\n');
    expect(long.length).toBeLessThan(500);
  });

  it('names some data sets of many', () => {
    const citations = Array.from({ length: 8 }, () => CITATION);
    const code = cell('python', { kind: 'file', path: '/a.nc', type: '', citations });
    expect(code.match(/Cite:/g)).toHaveLength(5);
    expect(code).toContain('# … and 3 more data sets');
  });
});

describe('R and Julia', () => {
  const files = [file('/o/a.nc'), file('/o/$b.nc'), file('/o/c.csv'), file(null)];

  it('open the files of an order that are here', () => {
    const inR = cell('R', ofOrder({}, files));
    expect(inR).toContain('files <- c(\n  "/o/a.nc",\n  "/o/$b.nc"\n)');
    expect(inR).toContain('data <- nc_open(files[1])');
    const inJulia = cell('julia', ofOrder({}, files));
    expect(inJulia).toContain('files = [\n    "/o/a.nc",\n    "/o/\\$b.nc",\n]');
    expect(inJulia).toContain('using NCDatasets\n\ndata = NCDataset(files[1])');
  });

  it('open one file without a list', () => {
    expect(cell('R', ofOrder({}, [file('/o/a.csv')]))).toContain('read.csv("/o/a.csv"');
    expect(cell('julia', ofOrder({}, [file('/o/a.csv')]))).toContain(
      'CSV.read("/o/a.csv", DataFrame)'
    );
    expect(cell('R', ofOrder({}, [file('/o/a.nc')], true))).toContain(
      '# The others are in /dataspace/me/orders/7'
    );
  });

  it('say what they can not open', () => {
    for (const language of ['R', 'julia']) {
      const code = cell(language, {
        kind: 'file',
        path: '/odv.txt',
        type: '',
        citations: []
      });
      expect(code).toMatch(/^# Neither .+\npath (<-|=) "\/odv.txt"/);
    }
  });

  it('say that a granule or an order has to come first, in comments only', () => {
    const granule: Material = {
      kind: 'granule',
      catalogue: '',
      collection: 'c',
      item: 'i',
      title: 'T',
      citations: [CITATION]
    };
    for (const material of [granule, ofOrder({}, [file(null)])]) {
      for (const language of ['R', 'julia']) {
        const lines = cell(language, material).split('\n');
        expect(lines.join()).toContain('server yet');
        expect(lines.every(line => !line || line.startsWith('# '))).toBe(true);
      }
    }
  });
});

describe('a search as code', () => {
  const criteria = {
    ...NO_CRITERIA,
    q: 'sea "ice"',
    bbox: [170, -20, -170, 0] as [number, number, number, number],
    start: '2020-01-01',
    facets: { parameter: ['TEMP', 'PSAL'] }
  };

  it('has all that was asked of the own catalogue', () => {
    const code = searchScript({ criteria, collections: ['a'], catalogue: '' }, trans);
    expect(code).toContain(
      [
        'items = pelagos.search(',
        '    "sea \\"ice\\"",',
        '    collections=["a"],',
        '    bbox=(170, -20, -170, 0),',
        '    datetime="2020-01-01/..",',
        '    parameter=["TEMP", "PSAL"],',
        ')'
      ].join('\n')
    );
    expect(code.endsWith('\nitems')).toBe(true);
  });

  it('looks for words in the data sets of another catalogue', () => {
    const url = 'https://x.org/v1';
    const code = searchScript({ criteria, collections: [], catalogue: url }, trans);
    expect(code).toContain('found = pelagos.collections(\n    "sea \\"ice\\"",');
    expect(code).toContain('    collections=names,');
    expect(code).not.toContain('parameter=');
    const named = searchScript({ criteria, collections: ['a'], catalogue: url }, trans);
    expect(named).toContain('names = ["a"]');
    expect(named).not.toContain('pelagos.collections');
  });

  it('without criteria is a search for everything', () => {
    expect(
      searchScript({ criteria: NO_CRITERIA, collections: [], catalogue: '' }, trans)
    ).toContain('items = pelagos.search()');
  });
});
