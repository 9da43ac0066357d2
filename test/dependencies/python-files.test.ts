import { expect, it } from 'vitest';
import { choosePythonFiles } from '../../src/dependencies/fetch/fix.ts';

const found = { name: 'a-pkg', version: '1.0' } as Parameters<typeof choosePythonFiles>[0];
const listed = (...files: string[]) =>
  files.map((file, n) => ({ url: `https://host.example/${file}`, sha256: `${n}` }));
const chosen = (python: string | undefined, ...files: string[]) =>
  choosePythonFiles(found, listed(...files) as never, python)?.files.map(({ file }) => file);

const any = 'a_pkg-1.0-py3-none-any.whl';
const gnu = 'a_pkg-1.0-cp313-cp313-manylinux_2_17_x86_64.whl';
const musl = 'a_pkg-1.0-cp313-cp313-musllinux_1_1_x86_64.whl';
const mac = 'a_pkg-1.0-cp313-cp313-macosx_11_0_arm64.whl';
const source = 'a_pkg-1.0.tar.gz';

it.each<[string, string[], string[] | undefined]>([
  ['a wheel for any platform before those for one', [gnu, any, source], [any]],
  ['wheels for the GNU C library before others', [musl, gnu, mac, source], [gnu]],
  ['others where there is none', [musl, mac, source], [musl]],
  ['the source where there is no wheel for Linux', [mac, source], [source]],
  ['nothing where there is neither', [mac], undefined],
  ['files of this name alone', ['b_pkg-1.0-py3-none-any.whl', 'another_a_pkg-1.0.tar.gz', source], [source]],
  ['the name however it is spelt', ['A.Pkg-1.0.tar.gz'], ['A.Pkg-1.0.tar.gz']],
])('of a package without a hash in its lock: %s', (_, files, expected) => {
  expect(chosen(undefined, ...files)).toEqual(expected);
});

it.each([
  [undefined, gnu, 'wheels for Linux'],
  ['3.13', gnu, 'wheels for Linux and Python 3.13'],
  ['3.13', any, 'a wheel for any platform'],
  ['3.13', source, 'the source archive: there is no wheel for Linux'],
])('for Python %s says why it takes %s', (python, file, why) => {
  expect(choosePythonFiles(found, listed(file) as never, python)?.why).toBe(why);
});

it('of several versions of Python that of the job alone', () => {
  const older = gnu.replaceAll('cp313', 'cp312');
  expect(chosen('3.13', gnu, older, source)).toEqual([gnu]);
  expect(chosen('3.11', gnu, older, source)).toEqual([source]);
  const stable = gnu.replace('cp313-cp313', 'cp39-abi3');
  expect(['3.8', '3.9', '3.13', '2.9'].map((python) => chosen(python, stable))).toEqual([
    ...[undefined, [stable], [stable], undefined],
  ]);
  expect(chosen('3.13', stable.replace('abi3', 'abi2'))).toBeUndefined();
  for (const tag of ['py3', 'py313', 'cp27.py3']) {
    const file = gnu.replace('cp313-cp313', `${tag}-none`);
    expect(chosen('3.13', file)).toEqual([file]);
  }
});
