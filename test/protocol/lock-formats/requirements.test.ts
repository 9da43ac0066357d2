import { describe, expect, it } from 'vitest';
import { codeThrown, faultOf, host, read, sha256 } from './support.ts';

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
      `pkg:xyz/other@1.0 other.tgz sha256:${other}`,
    ]);
    expect(found.map(({ name }) => name)).toEqual(['some-pkg', 'tools']);
    expect(faultOf(() => readText('', [`pkg:pypi/tools@%zz a.whl sha256:${sha256}`]))).toBe(
      'LOCK_INVALID quorate.lock:2: "pkg:pypi/tools@%zz" is not a package URL',
    );
  });

  it.each([
    ["sys_platform == 'win32'", 0],
    ["sys_platform == 'win32' or python_version < '3.8'", 1],
    ["(sys_platform != 'win32' and os_name == 'nt') and python_version < '3.8'", 0],
    ["platform_machine == 'x86_64' or platform_machine in 'x86_64 AMD64'", 1],
    ["platform_machine == 'aarch64'", 0],
    ['implementation_name == "pypy"', 1],
    ['"pypy" == implementation_name', 1],
    ["sys_platform != 'linux'", 0],
    ["'lin' in sys_platform", 1],
    ["'win' in sys_platform", 0],
    ["'linux' not in sys_platform", 0],
    ["'win' not in sys_platform", 1],
    ["sys_platform == 'linux' or os_name == 'nt'", 1],
    ["os_name == 'nt' or sys_platform == 'linux'", 1],
    ["os_name == 'nt' or sys_platform == 'win32'", 0],
    ["sys_platform == 'linux' and os_name == 'nt'", 0],
    ["os_name == 'nt' and sys_platform == 'linux'", 0],
    ["os_name == 'posix' and sys_platform === 'linux' and python_version < '3.8'", 1],
    ["sys_platform === 'win32'", 0],
    ["sys_platform > 'zzz'", 1],
    ["'3.8' > python_version", 1],
    ["'and' == sys_platform or sys_platform == 'linux'", 1],
  ])('the marker %s: %i entries', (marker, count) => {
    const text = `some-pkg==1.0 ; ${marker} --hash=sha256:${sha256}`;
    // An entry that is left out needs no line in quorate.lock.
    const found = readText(text, count === 0 ? [] : [fixed('some_pkg-1.0.tar.gz')]);
    expect(found.filter((entry) => entry.lock === 'requirements.txt')).toHaveLength(count);
  });

  it('takes an address with its hash, and passes over archives in the source tree', () => {
    const found = readText(`a @ ${host}/a-1.0%2Bcpu.zip --hash=sha256:${sha256}
b@${host}/b-1.0.zip#sha256=${sha256}
./vendor/c-1.0.tar.gz --hash=sha256:${sha256}
vendor/d-1.0.tar.gz
file:vendor/e-1.0.tar.gz
f @ ${host}/f-1.0.zip --config-settings=a=b --hash=md5:abc --hash=sha256:${sha256} \\`);
    expect(found.map(({ purl }) => purl)).toEqual([
      `pkg:pypi/a?download_url=${host}/a-1.0%252Bcpu.zip`,
      `pkg:pypi/b?download_url=${host}/b-1.0.zip`,
      `pkg:pypi/f?download_url=${host}/f-1.0.zip`,
    ]);
    expect(found[0]?.file).toBe('a-1.0+cpu.zip');
  });

  it('reads a file that is included where the job names it too', () => {
    const files = { 'requirements.txt': '-r requirements/base.txt\n' };
    expect(codeThrown(() => read(files))).toBe('LOCK_UNSUPPORTED');
    expect(read({ ...files, 'requirements/base.txt': '# none\n' })).toEqual([]);
    const same = { 'requirements.txt': '-r ./requirements//x/../base.txt\n' };
    expect(read({ ...same, 'requirements/base.txt': '# none\n' })).toEqual([]);
  });

  it.each([
    [
      'some-pkg>=1.0',
      'LOCK_INVALID requirements.txt:1: "some-pkg>=1.0" is not pinned: NAME==VERSION, or NAME @ ADDRESS',
    ],
    ['some-pkg==1.*', 'LOCK_INVALID requirements.txt:1: "1.*" is not a version'],
    [
      'some-pkg',
      'LOCK_INVALID requirements.txt:1: "some-pkg" is not pinned: NAME==VERSION, or NAME @ ADDRESS',
    ],
    [
      'some-pkg==1.0',
      'LOCK_INCOMPLETE requirements.txt:1: "pkg:pypi/some-pkg@1.0" is not fixed: a version has several files, and the lock does not say which is meant',
    ],
    [
      `some-pkg==1.0 --hash=sha256:xyz`,
      'LOCK_INVALID requirements.txt:1: "xyz" is not a sha256 in hexadecimal',
    ],
    ['some-pkg==1.0 --what', 'LOCK_INVALID requirements.txt:1: "--what" is not an option of a requirement'],
    [
      'some-pkg==1.0 ; sys_platform == ',
      'LOCK_INVALID requirements.txt:1: the marker of a requirement is not complete',
    ],
    [
      "some-pkg==1.0 ; (sys_platform == 'x'",
      'LOCK_INVALID requirements.txt:1: the marker of a requirement is not complete',
    ],
    [
      'some-pkg==1.0 ; sys_platform % 1',
      'LOCK_INVALID requirements.txt:1: " sys_platform % 1" is not a marker',
    ],
    [
      `some-pkg==1.0 ; ${'('.repeat(2000)}`,
      'LOCK_INVALID requirements.txt:1: " ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((( … (cut)" is not a marker',
    ],
    ...["sys_platform == 'linux' 'and' os_name == 'posix'", 'sys_platform == and', 'sys_platform'].map(
      (marker): [string, string] => [
        `some-pkg==1.0 ; ${marker}`,
        'LOCK_INVALID requirements.txt:1: the marker of a requirement is not complete',
      ],
    ),
    ...[
      "sys_platform == 'linux' 'x'",
      "'a' == 'b'",
      "sys_platform 'is' 'linux'",
      "sys_platform == ('linux')",
    ].map((marker): [string, string] => [
      `some-pkg==1.0 ; ${marker}`,
      'LOCK_INVALID requirements.txt:1: the marker of a requirement is not complete',
    ]),
    [
      `a @ ${host}/a.zip`,
      `LOCK_INCOMPLETE requirements.txt:1: "pkg:pypi/a?download_url=${host}/a.zip" is not fixed: it has no sha256`,
    ],
    [
      'a @ ftp://packages.example/a.zip',
      'LOCK_INVALID requirements.txt:1: "ftp://packages.example/a.zip" is not an http or https address',
    ],
    ['-e .', 'LOCK_UNSUPPORTED requirements.txt:1: the option "-e ." is not supported'],
    [
      '-c constraints.txt',
      'LOCK_UNSUPPORTED requirements.txt:1: the option "-c constraints.txt" is not supported',
    ],
    [
      '--find-links /tmp',
      'LOCK_UNSUPPORTED requirements.txt:1: the option "--find-links /tmp" is not supported',
    ],
    [
      'a @ git+https://code.example/a.git',
      'LOCK_UNSUPPORTED requirements.txt:1: a requirement from a repository is not supported',
    ],
    ['../a.tar.gz', 'LOCK_INVALID requirements.txt:1: "../a.tar.gz" leads out of the source tree'],
    ['/a.tar.gz', 'LOCK_INVALID requirements.txt:1: "/a.tar.gz" leads out of the source tree'],
    [
      '--index-url https://me:pw@packages.example/simple',
      'LOCK_INVALID requirements.txt:1: the address of "/simple" holds a user name or a password, which a lock file makes public',
    ],
  ])('refuses %s', (text, fault) => {
    expect(faultOf(() => readText(text))).toBe(fault);
  });
});
