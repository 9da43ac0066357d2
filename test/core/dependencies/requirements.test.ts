import { describe, expect, it } from 'vitest';
import { codeThrown, host, read, sha256 } from './support.ts';

const other = '34'.repeat(32);
const readText = (text: string, fixed: readonly string[] = []) => read({ 'requirements.txt': text }, fixed);
const wheel = (tags: string, name = 'some_pkg') => `${name}-1.0-${tags}.whl`;
const fixed = (file: string, hash = sha256, name = 'some-pkg') =>
  `pkg:pypi/${name}@1.0 ${file} sha256:${hash}`;

describe('requirements.txt', () => {
  it('names the file that quorate.lock says, of those whose hashes are there', () => {
    const text = `# made by a tool
--index-url ${host}/simple
Some._Pkg[extra, other]==1.0 ; python_version >= "3.8" \\
    --hash=sha256:${other} \\
    --hash=sha256:${sha256}
    # via something
`;
    expect(readText(text, [fixed(wheel('py3-none-any'))])).toEqual([
      {
        ecosystem: 'pypi',
        name: 'some-pkg',
        version: '1.0',
        purl: 'pkg:pypi/some-pkg@1.0',
        file: 'some_pkg-1.0-py3-none-any.whl',
        integrity: { algorithm: 'sha256', digests: [sha256] },
        origin: { kind: 'registry' },
        lock: 'requirements.txt',
        line: 3,
      },
    ]);
    expect(() => readText(text)).toThrow(/^requirements\.txt:3: "pkg:pypi\/some-pkg@1\.0".* several files/);
  });

  it('of several files takes those for the architecture, and says where none is', () => {
    const text = `some-pkg==1.0 --hash=sha256:${sha256}`;
    const arm = fixed(wheel('cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64'));
    const intel = fixed(wheel('cp312-cp312-manylinux_2_17_x86_64'));
    expect(readText(text, [arm, intel]).map(({ file }) => file)).toEqual([
      wheel('cp312-cp312-manylinux_2_17_x86_64'),
    ]);
    expect(() => readText(text, [arm])).toThrow(/none of its files is for x86_64/);
  });

  it('refuses a file of another hash than the lock has', () => {
    const text = `some-pkg==1.0 --hash=sha256:${other}`;
    expect(codeThrown(() => readText(text, [fixed('a.tar.gz')]))).toBe('LOCK_CONFLICT');
  });

  it('adds what quorate.lock names beside it, as for the build of a source archive', () => {
    const found = readText(`some-pkg==1.0 --hash=sha256:${sha256}`, [
      fixed('some_pkg-1.0.tar.gz'),
      fixed(wheel('py3-none-any', 'tools'), other, 'tools'),
    ]);
    expect(found.map(({ name }) => name)).toEqual(['some-pkg', 'tools']);
  });

  it.each([
    ["sys_platform == 'win32'", 0],
    ["sys_platform == 'win32' or python_version < '3.8'", 1],
    ["(sys_platform != 'win32' and os_name == 'nt') and python_version < '3.8'", 0],
    ["platform_machine == 'x86_64' or platform_machine in 'x86_64 AMD64'", 1],
    ["platform_machine == 'aarch64'", 0],
    ['implementation_name == "pypy"', 1],
    ["'linux' not in sys_platform", 0],
  ])('the marker %s: %i entries', (marker, count) => {
    const text = `some-pkg==1.0 ; ${marker} --hash=sha256:${sha256}`;
    // Nothing is asked of quorate.lock for what is left out.
    expect(readText(text, count === 0 ? [] : [fixed('some_pkg-1.0.tar.gz')])).toHaveLength(count);
  });

  it('takes an address with its hash, and passes over archives in the source tree', () => {
    const found = readText(`a @ ${host}/a-1.0%2Bcpu.zip --hash=sha256:${sha256}
b@${host}/b-1.0.zip#sha256=${sha256}
./vendor/c-1.0.tar.gz --hash=sha256:${sha256}
`);
    expect(found.map(({ purl }) => purl)).toEqual([
      `pkg:pypi/a?download_url=${host}/a-1.0%252Bcpu.zip`,
      `pkg:pypi/b?download_url=${host}/b-1.0.zip`,
    ]);
    expect(found[0]?.file).toBe('a-1.0+cpu.zip');
  });

  it('reads a file that is included where the job names it too', () => {
    const files = { 'requirements.txt': '-r requirements/base.txt\n' };
    expect(codeThrown(() => read(files))).toBe('LOCK_UNSUPPORTED');
    expect(read({ ...files, 'requirements/base.txt': '# none\n' })).toEqual([]);
  });

  it.each([
    ['some-pkg>=1.0', 'LOCK_INVALID'],
    ['some-pkg==1.*', 'LOCK_INVALID'],
    ['some-pkg', 'LOCK_INVALID'],
    ['some-pkg==1.0', 'LOCK_INCOMPLETE'],
    [`some-pkg==1.0 --hash=sha256:xyz`, 'LOCK_INVALID'],
    ['some-pkg==1.0 --what', 'LOCK_SYNTAX'],
    ['some-pkg==1.0 ; sys_platform == ', 'LOCK_INVALID'],
    ["some-pkg==1.0 ; (sys_platform == 'x'", 'LOCK_INVALID'],
    ['some-pkg==1.0 ; sys_platform % 1', 'LOCK_SYNTAX'],
    [`some-pkg==1.0 ; ${'('.repeat(2000)}`, 'LOCK_SYNTAX'],
    ['-e .', 'LOCK_UNSUPPORTED'],
    ['-c constraints.txt', 'LOCK_UNSUPPORTED'],
    ['--find-links /tmp', 'LOCK_UNSUPPORTED'],
    ['a @ git+https://code.example/a.git', 'LOCK_UNSUPPORTED'],
    ['../a.tar.gz', 'LOCK_INVALID'],
    ['/a.tar.gz', 'LOCK_INVALID'],
    ['--index-url https://me:pw@packages.example/simple', 'LOCK_INVALID'],
  ])('refuses %s', (text, code) => {
    expect(codeThrown(() => readText(text))).toBe(code);
  });
});
