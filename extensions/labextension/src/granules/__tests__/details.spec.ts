import { ApiError, IApi } from '../../api';
import { IGranuleDetails, IPreview, IPreviewRequest } from '../../types';
import { DetailsModel } from '../details';
import { usableOf } from '../usable';

function detailsOf(id: string, path: string | null = null): IGranuleDetails {
  return {
    collection: 'c',
    id,
    title: id,
    bbox: null,
    shape: null,
    start: null,
    end: null,
    size: 1,
    files: 1,
    platform: '',
    formats: [],
    description: '',
    properties: [],
    assets: [
      {
        key: 'a',
        title: '',
        type: 'application/x-netcdf',
        format: 'NetCDF',
        size: 1,
        roles: ['data'],
        url: '',
        data: true
      }
    ],
    licence: { id: '', title: '', url: '' },
    citation: [],
    path
  };
}

const preview = { kind: 'profile', variables: ['TEMP', 'PSAL'] } as IPreview;

function make(path: string | null = null) {
  const asked: IPreviewRequest[] = [];
  const answers = new Map<string, (found: IGranuleDetails) => void>();
  const api = {
    granule: (_: string, __: string, id: string) =>
      new Promise<IGranuleDetails>(resolve => answers.set(id, resolve)),
    preview: (request: IPreviewRequest) => {
      asked.push(request);
      return request.variable === 'none'
        ? Promise.reject(new ApiError(422, 'No such variable.', 'Choose another one.'))
        : Promise.resolve(preview);
    }
  } as unknown as IApi;
  const model = new DetailsModel(api);
  const answer = (id: string) => answers.get(id)!(detailsOf(id, path));
  return { model, asked, answer };
}

describe('details', () => {
  it('of a granule that lost the focus are not shown', async () => {
    const { model, answer } = make();
    const first = model.show('', { collection: 'c', id: 'one' });
    const second = model.show('', { collection: 'c', id: 'two' });
    answer('two');
    answer('one');
    await Promise.all([first, second]);
    expect(model.state.details?.id).toBe('two');
    await model.show('', null);
    expect([model.state.details, model.state.loading]).toEqual([null, false]);
  });

  it('come with a preview only where the data are on this server', async () => {
    const there = make('/home/me/a.nc');
    const shown = there.model.show('cat', { collection: 'c', id: 'one' });
    there.answer('one');
    await shown;
    expect(there.asked).toEqual([
      { catalogue: 'cat', collection: 'c', item: 'one', path: '/home/me/a.nc' }
    ]);
    const away = make();
    const other = away.model.show('cat', { collection: 'c', id: 'one' });
    away.answer('one');
    await other;
    expect(away.asked).toEqual([]);
    await away.model.look();
    expect(away.model.state.preview).toBe(preview);
  });

  it('keep the picture of before where another variable can’t be shown', async () => {
    const { model, answer } = make('/home/me/a.nc');
    const shown = model.show('', { collection: 'c', id: 'one' });
    answer('one');
    await shown;
    await model.look('none');
    expect(model.state.previewError?.reason).toBe('No such variable.');
    await model.look('PSAL');
    expect([model.state.previewError, model.state.variable]).toEqual([null, 'PSAL']);
  });
});

describe('what is used in a notebook', () => {
  it('is the file where it is here, else the granule', () => {
    const one = detailsOf('one');
    expect(usableOf(one, 'cat', one)).toMatchObject({
      kind: 'granule',
      catalogue: 'cat'
    });
    const here = detailsOf('one', '/home/me/a.nc');
    expect(usableOf(one, 'cat', here)).toMatchObject({
      kind: 'file',
      path: '/home/me/a.nc',
      type: 'application/x-netcdf'
    });
    expect(usableOf(detailsOf('two'), 'cat', here)).toMatchObject({
      kind: 'granule',
      item: 'two'
    });
  });
});
