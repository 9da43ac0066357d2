import { execFile } from 'node:child_process';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodePrivatePem } from '../../src/identity/keys.ts';
import { publicPemOf } from '../../src/identity/pem.ts';
import { provenIndex } from '../../src/node/artifacts/dependency-index.ts';
import {
  encodeBundle,
  formatNoteKey,
  type LogEntry,
  noteKinds,
  type Receipt,
} from '../../src/protocol/documents/index.ts';
import { type Bom, inTotoKeyOf, type Provenance } from '../../src/protocol/interop/index.ts';
import { encodeIndex, makeIndex } from '../../src/protocol/lock-formats/index.ts';
import { originOf } from '../../src/protocol/transparency/index.ts';
import { quorate } from '../cli/support.ts';
import { store } from '../store/support.ts';
import { makeAnswer } from '../support/answers.ts';
import {
  controller,
  log,
  payloadOf,
  policy,
  project,
  type Recipe,
  root,
  testKey,
  trusted,
  workerKey,
} from '../support/project.ts';
import { importInto } from '../transfer/support.ts';
import { type Real, realProject, scratch, tamper } from './support.ts';

const exec = promisify(execFile);

/** A program of somebody else: whether it is content, and what it said. */
async function other(dir: string, program: string, args: string[]): Promise<{ ok: boolean; said: string }> {
  try {
    const { stdout, stderr } = await exec(program, args, {
      cwd: dir,
      timeout: 120_000,
      env: { PATH: process.env.PATH, HOME: dir },
    });
    return { ok: true, said: stdout + stderr };
  } catch (error) {
    const { stdout = '', stderr = '', code } = error as { stdout?: string; stderr?: string; code?: unknown };
    if (typeof code !== 'number') throw error;
    return { ok: false, said: stdout + stderr };
  }
}

interface Exported {
  dir: string;
  code: number | null;
  files: string[];
  commands: string[];
  error?: { code: string };
}

async function exported(real: Real, ...more: string[]): Promise<Exported> {
  const dir = join(await scratch(), 'out');
  const args = ['export', real.bundleFile, '--project', project, '-o', dir, ...more, '--json'];
  const { code, out, err } = await quorate(args, { cwd: real.dir });
  return { dir, code, ...JSON.parse(out || err) };
}

let real: Real;
beforeAll(async () => {
  real = await realProject();
});

describe("Debian's cosign", () => {
  let parts: Exported;
  beforeAll(async () => {
    parts = await exported(real, '--cosign', '--files', real.tool);
  });

  const check = (key: string, envelope: string, type: string, file: string) =>
    other(parts.dir, 'cosign', [
      ...['verify-blob-attestation', '--key', `${key}.pub`, '--signature', envelope],
      ...['--type', type, '--insecure-ignore-tlog', file],
    ]);
  const provenance = 'slsaprovenance1';
  const summary = 'https://slsa.dev/verification_summary/v1';
  const ada = workerKey('ada').id;
  const signed: [who: string, key: string, envelope: string, type: string][] = [
    ['a receipt', ada, 'receipt-0-ada.dsse.json', provenance],
    ["the trusted worker's receipt", trusted.id, 'receipt-3-owner.dsse.json', provenance],
    ["a verdict under the controller's key", controller.id, 'verdict.dsse.json', summary],
    ["a verdict under the trusted worker's key", trusted.id, 'verdict.dsse.json', summary],
  ];

  it.each(signed)('accepts %s, for a file and for the tree', async (_who, key, envelope, type) => {
    expect(parts.code).toBe(0);
    expect(await check(key, envelope, type, join(real.tool, 'bin/app'))).toMatchObject({ ok: true });
    expect(await check(key, envelope, type, 'tree.block')).toMatchObject({ ok: true });
  });

  it.each(signed)('refuses %s for another file, and under another key', async (_who, key, envelope, type) => {
    const file = join(await scratch(), 'app');
    await cp(join(real.tool, 'bin/app'), file);
    await tamper(file);
    const refused = await check(key, envelope, type, file);
    expect(refused).toMatchObject({ ok: false });
    expect(refused.said).toContain('no matching subject digest found');
    const stranger = workerKey('bob').id;
    expect(await check(stranger, envelope, type, join(real.tool, 'bin/app'))).toMatchObject({ ok: false });
  });

  it('needs the type told: one for the other is refused', async () => {
    expect(await check(ada, 'receipt-0-ada.dsse.json', summary, join(real.tool, 'version'))).toMatchObject({
      ok: false,
    });
  });

  it('is shown every receipt, dissent too, and nothing under a key that did not sign', async () => {
    const outcome = { kind: 'exit', code: 0, artifact: real.cid } as const;
    const runs = [{ operator: 'ada', outcome }, { operator: 'eve' }, { operator: 'cyd', outcome }];
    const { files, commands } = await exported(await realProject({ runs }), '--cosign');
    expect(files.filter((name) => name.startsWith('receipt'))).toEqual([
      'receipt-0-ada.dsse.json',
      'receipt-1-eve.dsse.json',
      'receipt-2-cyd.dsse.json',
      'receipt-3-owner.dsse.json',
    ]);
    expect(commands).toHaveLength(6);
  });

  it('is not given a block of other files', async () => {
    const tool = join(await scratch(), 'tool');
    await cp(real.tool, tool, { recursive: true });
    await tamper(join(tool, 'version'));
    expect(await exported(real, '--cosign', '--files', tool)).toMatchObject({
      code: 1,
      error: { code: 'EXPORT_MISMATCH', hint: expect.stringContaining('fetch it again') },
    });
  });
});

describe('a provenance that names each dependency', () => {
  const lock = {
    lockfileVersion: 3,
    packages: { 'node_modules/@me/one': { version: '1.0.0', integrity: `sha512-${'A'.repeat(86)}==` } },
  };
  const index = makeIndex(
    {
      locks: ['package-lock.json'],
      arch: 'x86_64',
      files: new Map([['package-lock.json', Buffer.from(JSON.stringify(lock))]]),
    },
    () => ({ sha256: '12'.repeat(32), size: 3 }),
  );

  /** A project whose artifact was built with that, and the file with the index. */
  async function withDependencies(): Promise<{ made: Real; file: string }> {
    const own = await store();
    const body = Buffer.from(encodeIndex(index).bytes).toString();
    const tree = await importInto(own, [
      { name: 'index.json', body },
      { name: 'sha256/12', body: 'one' },
    ]);
    const { car } = await provenIndex(own, tree, AbortSignal.timeout(60_000));
    const made = await realProject({ job: { dependencies: { locks: ['package-lock.json'], tree } } });
    const file = join(made.dir, 'tool.index');
    await writeFile(file, car);
    return { made, file };
  }
  const cosign = (dir: string, file: string) =>
    other(dir, 'cosign', [
      ...['verify-blob-attestation', '--key', 'provenance.pub', '--signature', 'provenance.dsse.json'],
      ...['--type', 'slsaprovenance1', '--insecure-ignore-tlog', file],
    ]);

  it('is accepted by cosign for the files of the artifact, and for no other', async () => {
    const { made, file } = await withDependencies();
    const { dir, code } = await exported(made, '--provenance', '--index', file);
    expect(code).toBe(0);
    expect(await cosign(dir, join(made.tool, 'bin/app'))).toMatchObject({ ok: true });
    const changed = join(await scratch(), 'app');
    await cp(join(made.tool, 'bin/app'), changed);
    await tamper(changed);
    expect(await cosign(dir, changed)).toMatchObject({ ok: false });
    const said = payloadOf(await readFile(join(dir, 'provenance.dsse.json'), 'utf8')) as Provenance;
    const { resolvedDependencies } = said.predicate.buildDefinition;
    expect(resolvedDependencies.map(({ name, uri }) => name ?? uri)).toEqual([
      expect.stringMatching(/^git\+/),
      ...['image', 'dependencies', 'one-1.0.0.tgz'],
    ]);
    const receipt = payloadOf(made.bundle.receipts[0]?.envelope ?? '') as Receipt;
    expect(receipt.predicate.buildDefinition.resolvedDependencies).toEqual(resolvedDependencies.slice(0, 3));
  });

  it('is not made without the list, of a list that was changed, nor of what is only agreed', async () => {
    const { made, file } = await withDependencies();
    const refused = async (...more: string[]) => (await exported(made, '--provenance', ...more)).error?.code;
    expect(await refused()).toBe('DEPENDENCY_INDEX_MISSING');
    await tamper(file);
    expect(await refused('--index', file)).toBe('DEPENDENCY_INDEX_MISMATCH');
    const agreed = await realProject({ own: null, level: 'agreed' });
    expect((await exported(agreed, '--provenance')).error?.code).toBe('EXPORT_NOT_TRUSTED');
  });

  it('and a bill of materials need no list where nothing was depended on; the level is in it', async () => {
    expect((await exported(real, '--provenance')).code).toBe(0);
    const agreed = await realProject({ own: null, level: 'agreed' });
    for (const { bundleFile, dir, level } of [
      { ...real, level: 'trusted' },
      { ...agreed, level: 'agreed' },
    ]) {
      const { code, out, err } = await quorate(['sbom', bundleFile, '--project', project], { cwd: dir });
      expect({ code, err }).toEqual({
        code: 0,
        err: level === 'trusted' ? '' : 'The artifact is agreed, and not trusted.\n',
      });
      const bom = JSON.parse(out) as Bom;
      expect(bom.metadata.component.properties).toContainEqual({ name: 'quorate:level', value: level });
    }
    const reading = await realProject({ reads: { lib: { from: real } } });
    const args = ['sbom', reading.bundleFile, '--project', project, '-o', 'bom.json', '--json'];
    const { code, out } = await quorate(args, { cwd: reading.dir });
    expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, level: 'trusted', components: 2 });
    const { components } = JSON.parse(await readFile(join(reading.dir, 'bom.json'), 'utf8')) as Bom;
    expect(components).toMatchObject([{ type: 'container' }, { type: 'application', name: 'lib' }]);
    expect(components[1]?.properties).toEqual([
      { name: 'quorate:artifact', value: real.cid },
      { name: 'quorate:level', value: 'trusted' },
    ]);
    for (const [{ bundleFile, dir }, refusal] of [
      [await realProject({ verdictFacts: (facts) => ({ ...facts, ref: 'v2' }) }), 'NOT_TRUSTED'],
      [await realProject({ job: { kind: 'test' } }), 'ARTIFACT_OF_TEST'],
    ] as const) {
      const refused = await quorate(['sbom', bundleFile, '--project', project], { cwd: dir });
      expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining(`error[${refusal}]`) });
    }
  });
});

describe("Debian's in-toto-golang", () => {
  /** An export with the artifact beside it. */
  async function laidOut(from: Real, ...more: string[]): Promise<string> {
    const { dir, code } = await exported(from, '--in-toto', ...more);
    expect(code).toBe(0);
    await cp(from.tool, join(dir, 'product'), { recursive: true });
    return dir;
  }
  const check = (dir: string, key = 'layout.pub') =>
    other(dir, 'in-toto-golang', [
      ...['verify', '--layout', 'layout.json', '--layout-keys', key, '--link-dir', '.'],
    ]);
  const linkFile = (step: string, key: string) => `${step}.${inTotoKeyOf(key).keyid.slice(0, 8)}.link`;

  it('accepts the links of N operators and of the trusted worker, again and again', async () => {
    const dir = await laidOut(real);
    expect((await readdir(dir)).filter((name) => name.endsWith('.link'))).toHaveLength(4);
    expect(await check(dir)).toMatchObject({ ok: true });
    expect(await check(dir)).toMatchObject({ ok: true });
    await rm(join(dir, linkFile('build', workerKey('cyd').id)));
    expect(await check(dir)).toMatchObject({ ok: true });
  });

  it('refuses fewer than N, and none of the trusted worker', async () => {
    const dir = await laidOut(real);
    for (const name of ['ada', 'bob']) await rm(join(dir, linkFile('build', workerKey(name).id)));
    const fewer = await check(dir);
    expect(fewer).toMatchObject({ ok: false });
    expect(fewer.said).toContain("step 'build' requires '2' link metadata file(s)");
    const without = await laidOut(real);
    await rm(join(without, linkFile('trusted-build', trusted.id)));
    expect(await check(without)).toMatchObject({ ok: false });
  });

  it.each<[string, (product: string) => Promise<unknown>]>([
    ['a file was changed', (product) => tamper(join(product, 'bin/app'))],
    ['a file was added', (product) => writeFile(join(product, 'bin/more'), '')],
    ['a file was taken away', (product) => rm(join(product, 'share/a note.txt'))],
  ])('refuses a product in which %s', async (_what, spoil) => {
    const dir = await laidOut(real);
    await spoil(join(dir, 'product'));
    const refused = await check(dir);
    expect(refused).toMatchObject({ ok: false });
    expect(refused.said).toContain('artifact verification failed');
  });

  it('refuses a link that somebody else signed, in the place of one that counts', async () => {
    const dir = await laidOut(real);
    const file = (name: string) => join(dir, linkFile('build', workerKey(name).id));
    for (const name of ['ada', 'cyd']) {
      const link = JSON.parse(await readFile(file('bob'), 'utf8'));
      const { keyid: as } = inTotoKeyOf(workerKey(name).id);
      await writeFile(
        file(name),
        JSON.stringify({ ...link, signatures: [{ ...link.signatures[0], keyid: as }] }),
      );
    }
    expect(await check(dir)).toMatchObject({ ok: false });
  });

  it("takes the layout under the key it was signed with: the owner's, if given", async () => {
    const dir = await scratch();
    const pem = join(dir, 'root.pem');
    await writeFile(pem, encodePrivatePem(root.seed), { mode: 0o600 });
    const out = await laidOut(real, '--key', pem);
    await writeFile(join(out, 'pinned.pub'), publicPemOf(root.id));
    await writeFile(join(out, 'other.pub'), publicPemOf(testKey('mallory').id));
    expect(await check(out, 'pinned.pub')).toMatchObject({ ok: true });
    expect(await check(out, 'other.pub')).toMatchObject({ ok: false });
  });

  it('needs no trusted worker where the policy asks for none', async () => {
    const open = await realProject({ own: null, policy: { ...policy, cosign: 'none' } });
    expect(await check(await laidOut(open))).toMatchObject({ ok: true });
  });

  it('gets no link that does not hold; too few are said so', async () => {
    const spoilt: Recipe['receipt'] = (receipt, run) => {
      if (run.operator !== 'ada') return receipt;
      const { quorate_receipt: facts } = receipt.predicate;
      const link = `${'A'.repeat(86)}==`;
      return { ...receipt, predicate: { ...receipt.predicate, quorate_receipt: { ...facts, link } } };
    };
    const one = await realProject({ receipt: spoilt });
    const dir = await laidOut(one);
    expect(await readdir(dir)).not.toContain(linkFile('build', workerKey('ada').id));
    expect(await check(dir)).toMatchObject({ ok: true });

    const outcome = { kind: 'exit', code: 0, artifact: real.cid } as const;
    const runs = ['ada', 'bob'].map((operator) => ({ operator, outcome }));
    const two = await realProject({ receipt: spoilt, runs });
    expect(await exported(two, '--in-toto')).toMatchObject({ code: 1, error: { code: 'EXPORT_NO_LINKS' } });
  });
});

describe("Debian's spicy", () => {
  /** A log entry with its proof, in that tool's form: index, hashes, checkpoint. */
  async function proof({ leaf, index, path }: LogEntry, checkpoint: string): Promise<string> {
    const dir = await scratch();
    const hashes = path.map((hex) => `${Buffer.from(hex, 'hex').toString('base64')}\n`).join('');
    await writeFile(join(dir, 'leaf'), leaf);
    await writeFile(join(dir, 'leaf.spicy'), `index ${index}\n${hashes}\n${checkpoint}`);
    return dir;
  }
  const logKey = (name: string, peer: string) => formatNoteKey(name, noteKinds.ed25519, peer);
  const check = (dir: string, key = logKey(originOf(project), log.id)) =>
    other(dir, 'spicy-litetlog', ['-verify', key, 'leaf']);

  it("accepts the log's proof of everything a bundle rests on", async () => {
    const { entries, checkpoint } = real.bundle;
    expect(entries).toHaveLength(6);
    for (const entry of entries)
      expect(await check(await proof(entry, checkpoint))).toMatchObject({ ok: true });
  });

  it('refuses another leaf, place or proof, and another key', async () => {
    const { entries, checkpoint } = real.bundle;
    const [entry, next] = entries as [LogEntry, LogEntry];
    const { path } = next;
    const wrong = [
      { ...entry, leaf: `${entry.leaf}0` },
      { ...entry, index: entry.index + 1 },
      { ...entry, path },
    ];
    for (const other of wrong)
      expect(await check(await proof(other, checkpoint))).toMatchObject({ ok: false });
    const stranger = logKey(originOf(project), testKey('mallory').id);
    expect(await check(await proof(entry, checkpoint), stranger)).toMatchObject({ ok: false });
  });
});

describe('export', () => {
  it('writes nothing of a bundle that does not hold', async () => {
    const bad = await realProject({ verdictFacts: (facts) => ({ ...facts, ref: 'v2' }) });
    const { dir, code } = await exported(bad, '--in-toto', '--cosign');
    expect(code).toBe(1);
    expect(await readdir(join(dir, '..'))).toEqual([]);
  });

  it('makes no layout that other tools would take for a yes of what is only agreed', async () => {
    const agreed = await realProject({ own: null, level: 'agreed' });
    const refused = await exported(agreed, '--in-toto');
    expect(refused).toMatchObject({ code: 1, error: { code: 'EXPORT_NOT_TRUSTED' } });
    expect(await readdir(join(refused.dir, '..'))).toEqual([]);
  });

  it('has what an answer from an earlier build rests on', async () => {
    const { bundle } = await makeAnswer({ from: real });
    const bundleFile = join(await scratch(), 'answer.bundle');
    await writeFile(bundleFile, encodeBundle(bundle));
    const links = await exported({ ...real, bundleFile }, '--in-toto');
    expect(links).toMatchObject({ code: 0 });
    expect(links.files).toEqual((await exported(real, '--in-toto')).files);
    const { files } = await exported({ ...real, bundleFile }, '--cosign');
    expect(files.filter((name) => name.startsWith('receipt'))).toHaveLength(4);
    expect(files).toContain('earlier-verdict.dsse.json');
  });

  it('asks for which tool, and takes no option that would do nothing', async () => {
    for (const more of [[], ['--in-toto', '--files', 'tool'], ['--cosign', '--key', 'root.pem']])
      expect(await exported(real, ...more)).toMatchObject({ code: 2, error: { code: 'CLI_USAGE' } });
  });

  it('a link says what its receipt says', async () => {
    const { dir } = await exported(real, '--in-toto');
    const { keyid } = inTotoKeyOf(workerKey('ada').id);
    const link = payloadOf(await readFile(join(dir, `build.${keyid.slice(0, 8)}.link`), 'utf8'));
    const receipt = payloadOf(real.bundle.receipts[0]?.envelope ?? '') as Receipt;
    const products = receipt.subject.map(({ name, digest }) => [name, digest]);
    expect(link).toMatchObject({ _type: 'link', name: 'build', products: Object.fromEntries(products) });
    expect(link).toMatchObject({ materials: { source: { gitCommit: 'c0ffee'.padEnd(40, '0') } } });
  });
});
