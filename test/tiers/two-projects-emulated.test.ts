/**
 * Two projects of other people, one in C and one for npm, built in the same content-addressed image by operators whose
 * machines isolate builds each in another way. All must come to the same artifact.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.ts';
import { debianSource } from '../e2e/support/debian.ts';
import { git } from '../e2e/support/git.ts';
import type { Line } from '../e2e/support/processes.ts';

const exec = promisify(execFile);

/** Operators, and the tier each of them offers. */
const operators = { ada: 'namespace', ben: 'gvisor', cleo: 'vm-emulated' } as const;
const imageMs = 600_000;
const roundMs = 420_000;

let cluster: Cluster;
let image = '';

beforeAll(async () => {
  cluster = await Cluster.start({ trusted: true });
  const making = cluster.cli(['image', 'build', '--include', 'gcc,libc6-dev,make,npm'], { ms: imageMs });
  // One after the other: three probes at once would outrun each other's time limits. Room for both projects at a time.
  for (const [name, tier] of Object.entries(operators))
    await cluster.volunteer(name, '--tier', tier, '--jobs', '2', '--cpus', '2', '--memory', '1536MiB');
  const made = await making;
  expect(made.code, made.report).toBe(0);
  image = String(made.lines.at(-1)?.image);
}, imageMs + 400_000);

/** All three must agree, so that one who came to something else would show. */
const jobFile = (run: string[]): string => `jobs:
  build:
    image: ${image}
    run: ${JSON.stringify(run)}
    limits: {cpus: 1, memory: 768MiB, disk: 256MiB, time: 5m}
    trust: {agree: 3, of: 3, cosign: required, rounds: 1}
`;

async function built(url: string): Promise<{ artifact: string; receipts: Line[] }> {
  const run = await cluster.submit(url, '--timeout', `${roundMs / 1000}s`);
  const { code } = await run.end(roundMs + 30_000);
  expect(code, run.report()).toBe(0);
  const { artifact, level } = run.lines.at(-1) as { artifact: string; level: string };
  expect(level).toBe('trusted');
  const bundle = `bundle-${artifact}.json`;
  const out = join(cluster.dir, bundle);
  const fetched = await cluster.fetch(artifact, artifact, '--source', url, '--bundle-out', out);
  expect(fetched.code, fetched.report).toBe(0);
  const { receipts } = JSON.parse(await cluster.readText(bundle)) as {
    receipts: { envelope: string }[];
  };
  return { artifact, receipts: receipts.map(factsOf) };
}

/** The facts that a worker states, in its envelope. */
function factsOf({ envelope }: { envelope: string }): Line {
  const { payload } = JSON.parse(envelope) as { payload: string };
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as {
    predicate: { quorate_receipt: Line };
  };
  return statement.predicate.quorate_receipt;
}

function expectAllTiers(receipts: Line[], artifact: string): void {
  const said = receipts.map(({ slot, outcome, sandbox }) => {
    const { tier, portable } = sandbox as { tier: string; portable: boolean };
    return { slot: slot === 'trusted' ? slot : 'volunteer', tier, portable, ...(outcome as object) };
  });
  const same = { portable: true, kind: 'exit', code: 0, artifact };
  expect(said).toEqual(
    expect.arrayContaining([
      ...Object.values(operators).map((tier) => ({ slot: 'volunteer', tier, ...same })),
      { slot: 'trusted', tier: 'namespace', ...same },
    ]),
  );
  expect(said).toHaveLength(4);
}

// Both at a time: the emulated machine is what everybody waits for.
describe.concurrent('in a namespace, in gVisor and in an emulated machine', () => {
  it(
    'a C project of Debian comes to the same artifact, and its program runs',
    async () => {
      const { name, folder } = await debianSource(['figlet'], cluster.dir);
      await cp(folder, join(cluster.git.dir, name), { recursive: true });
      const run = [
        'make CFLAGS=-O2 CPPFLAGS= LDFLAGS= figlet chkfont',
        'mkdir "$OUT/bin"',
        'install -m 755 figlet chkfont "$OUT/bin"',
        'cp -R fonts "$OUT/fonts"',
      ];
      await writeFile(join(cluster.git.dir, name, 'quorate.yaml'), jobFile(run));
      const { artifact, receipts } = await built(await cluster.git.commitAll(name));
      expectAllTiers(receipts, artifact);
      const out = cluster.fetched(artifact);
      const { stdout } = await exec(join(out, 'bin', 'figlet'), ['-d', join(out, 'fonts'), 'Hi']);
      expect(stdout).toContain('|_| |_|_|');
    },
    roundMs + 120_000,
  );

  it(
    'an npm package comes to the same tarball',
    async () => {
      const dir = join(cluster.git.dir, 'p-limit');
      await mkdir(dir, { recursive: true });
      const pack = ['pack', 'p-limit@7.3.1', '--silent', '--pack-destination', cluster.dir];
      await exec('npm', pack, { cwd: cluster.dir, timeout: 120_000 });
      const tarball = join(cluster.dir, 'p-limit-7.3.1.tgz');
      await exec('tar', ['-xzf', tarball, '-C', dir, '--strip-components=1'], { timeout: 120_000 });
      await git(dir, 'init', '--quiet', '--initial-branch=main');
      await writeFile(join(dir, 'quorate.yaml'), jobFile(['npm pack --pack-destination "$OUT"']));
      const { artifact, receipts } = await built(await cluster.git.commitAll('p-limit'));
      expectAllTiers(receipts, artifact);
    },
    roundMs + 120_000,
  );
});
