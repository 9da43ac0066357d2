import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../../sandbox/index.ts';
import { exited, tempFolder, unprobed } from '../../sandbox/support.ts';
import { archive, Blobs, build, hex, outputs } from './support.ts';
import { wheel } from './wheel.ts';
import { zip } from './zip.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = await tempFolder();
  sandbox = unprobed(folder.path);
});
afterAll(() => folder?.remove());

const crate = (name: string, version: string, says: string): Promise<Buffer> =>
  archive([
    {
      name: `${name}-${version}/Cargo.toml`,
      content: `[package]\nname = "${name}"\nversion = "${version}"\nedition = "2021"\n`,
    },
    { name: `${name}-${version}/src/lib.rs`, content: `pub fn says() -> &'static str { "${says}" }\n` },
  ]);

/** As Cargo.lock names cargo's default. */
const publicRegistry = 'registry+https://github.com/rust-lang/crates.io-index';

describe('cargo', () => {
  it('builds offline, from two registries that have a crate of one name and version', async () => {
    const blobs = new Blobs();
    const other = 'sparse+http://127.0.0.1:1/index/';
    const sums = await Promise.all(
      ['public', 'other'].map(async (says) => blobs.add(await crate('thing', '1.0.0', says)).name),
    );
    const locked = (source: string, index: number) =>
      `[[package]]\nname = "thing"\nversion = "1.0.0"\nsource = "${source}"\nchecksum = "${sums[index]}"\n`;
    const source = {
      'Cargo.toml': `[package]
name = "project"
version = "0.1.0"
edition = "2021"
[dependencies]
thing = "1"
thing2 = { package = "thing", version = "1", registry = "other" }
`,
      '.cargo/config.toml': `[registries.other]\nindex = "${other}"\n`,
      'Cargo.lock': `version = 4\n
[[package]]
name = "project"
version = "0.1.0"
dependencies = [
 "thing 1.0.0 (${publicRegistry})",
 "thing 1.0.0 (${other})",
]

${locked(publicRegistry, 0)}
${locked(other, 1)}`,
      'src/main.rs': 'fn main() { println!("{} {}", thing::says(), thing2::says()); }\n',
    };
    const ran = await build(sandbox, source, { locks: ['Cargo.lock'], blobs }, [
      'cp Cargo.lock ~/before',
      'cargo build --locked --offline',
      'cmp Cargo.lock ~/before',
      'target/debug/project > $OUT/said',
    ]);
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(outputs(ran)).toEqual({ said: 'public other\n' });
  });
});

const sha256 = (bytes: Buffer | string): string => hex('sha256', Buffer.from(bytes));

/** The `h1:` of go.sum over files by their names (golang.org/x/mod/sumdb/dirhash, Hash1). */
function dirhash(files: Readonly<Record<string, string>>): string {
  const lines = Object.keys(files)
    .sort()
    .map((name) => `${sha256(files[name] as string)}  ${name}\n`);
  return `h1:${Buffer.from(sha256(lines.join('')), 'hex').toString('base64')}`;
}

/** Adds the files of a module; returns its lines of go.sum. */
function goModule(blobs: Blobs, name: string, version: string, code: string): string {
  const mod = `module ${name}\n\ngo 1.21\n`;
  const content = { [`${name}@${version}/go.mod`]: mod, [`${name}@${version}/lib.go`]: code };
  const [zipHash, modHash] = [dirhash(content), dirhash({ 'go.mod': mod })];
  blobs.add(zip(content), hexOf(zipHash));
  blobs.add(Buffer.from(mod), hexOf(modHash));
  return `${name} ${version} ${zipHash}\n${name} ${version}/go.mod ${modHash}\n`;
}

const hexOf = (h1: string): string => Buffer.from(h1.slice('h1:'.length), 'base64').toString('hex');

describe('go', () => {
  it('builds offline, with go.sum as it is, and checks the bytes by it', async () => {
    const blobs = new Blobs();
    const commit = 'v0.0.0-20240102030405-0123456789ab';
    const code = (text: string) => `package lib\n\nfunc Says() string { return "${text}" }\n`;
    const one = goModule(blobs, 'example.org/Some/Lib', 'v1.2.0', code('release'));
    const two = goModule(blobs, 'example.org/pre', commit, code('commit'));
    const source = {
      'go.mod': `module example.org/project\n\ngo 1.21\n\nrequire (\n\texample.org/Some/Lib v1.2.0\n\texample.org/pre ${commit}\n)\n`,
      'go.sum': one + two,
      'main.go':
        'package main\n\nimport (\n\ta "example.org/Some/Lib"\n\tb "example.org/pre"\n)\n\nfunc main() { println(a.Says(), b.Says()) }\n',
    };
    const run = [
      'cp go.mod go.sum ~',
      'go build -o project .',
      'cmp go.mod ~/go.mod; cmp go.sum ~/go.sum',
      './project 2> $OUT/said',
    ];
    const ran = await build(sandbox, source, { locks: ['go.sum'], blobs }, run);
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(outputs(ran)).toEqual({ said: 'release commit\n' });

    const changed = zip({ [`example.org/pre@${commit}/lib.go`]: code('changed') });
    const files = blobs
      .demandedBy(source, ['go.sum'])
      .map((one) => (one.file === `${commit}.zip` ? { ...one, blob: blobs.add(changed) } : one));
    const bad = await build(sandbox, source, { locks: ['go.sum'], blobs, files }, run);
    expect(bad.log).toContain('checksum mismatch');
    expect(bad.outcome).toEqual(exited(1));
  });
});

describe('pip', () => {
  it('installs offline by hashes, a source archive with its build backend too', async () => {
    const blobs = new Blobs();
    const plain = wheel('plain', '2.0', 'wheel');
    const backend = zip({
      'backend.py': `import os, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = 'built-3.0.dist-info'
    with zipfile.ZipFile(os.path.join(wheel_directory, 'built-3.0-py3-none-any.whl'), 'w') as out:
        out.writestr('built.py', "says = 'source'")
        out.writestr(info + '/METADATA', 'Metadata-Version: 2.1\\nName: built\\nVersion: 3.0\\n')
        out.writestr(info + '/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        out.writestr(info + '/RECORD', '')
    return 'built-3.0-py3-none-any.whl'
`,
      'backend-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: backend\nVersion: 1.0\n',
      'backend-1.0.dist-info/WHEEL':
        'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
      'backend-1.0.dist-info/RECORD': '',
    });
    const sdist = await archive([
      {
        name: 'built-3.0/pyproject.toml',
        content: '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n',
      },
      { name: 'built-3.0/PKG-INFO', content: 'Metadata-Version: 2.1\nName: built\nVersion: 3.0\n' },
    ]);
    const fixed = [
      ['backend@1.0', 'backend-1.0-py3-none-any.whl', backend],
      ['built@3.0', 'built-3.0.tar.gz', sdist],
      ['plain@2.0', 'plain-2.0-py3-none-any.whl', plain],
    ] as const;
    for (const [, , bytes] of fixed) blobs.add(bytes);
    const source = {
      'requirements.txt': `plain==2.0 --hash=sha256:${sha256(plain)}\nbuilt==3.0 --hash=sha256:${sha256(sdist)}\n`,
      'quorate.lock': [
        'quorate-lock 1',
        ...fixed.map(([name, file, bytes]) => `pkg:pypi/${name} ${file} sha256:${sha256(bytes)}`),
        '',
      ].join('\n'),
    };
    const ran = await build(sandbox, source, { locks: ['requirements.txt'], blobs }, [
      'pip install --no-index --require-hashes --target ~/site -r requirements.txt',
      'PYTHONPATH=~/site python3 -c "import plain, built; print(plain.says, built.says)" > $OUT/said',
    ]);
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(outputs(ran)).toEqual({ said: 'wheel source\n' });
  });
});
