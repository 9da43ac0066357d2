import { beforeAll, expect, it } from 'vitest';
import { openMesh } from '../../src/mesh/index.ts';
import { changing } from './support/changing.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Line, Told } from './support/told.ts';
import { cargoProject } from './support/toolchains/cargo.ts';
import { goProject } from './support/toolchains/go.ts';
import { pipProject } from './support/toolchains/pip.ts';
import type { LockedProject } from './support/toolchains/project.ts';

let cluster: LocalCluster;
/** The bytes that change on their way to cleo. */
let changed: Uint8Array = Buffer.of();

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben'], trusted: true });
  const cleo = await cluster.work('cleo', await cluster.ticket('cleo'), {
    openMesh: async (options) => changing(await openMesh(options), () => changed),
  });
  await cleo.event('connected');
});

/** The result of each operator, by name, once the run has become trusted. */
async function trusted(run: Told): Promise<{ artifact: string; results: Record<string, string> }> {
  const { code } = await run.end();
  expect(code, run.report()).toBe(0);
  const verdict = run.all('verdict').at(-1);
  expect(verdict).toMatchObject({ level: 'trusted' });
  const [revealed] = run.all('revealed') as (Line & { results: { operator: string; result: string }[] })[];
  const results = revealed?.results.map(({ operator, result }) => [operator, result]) ?? [];
  return { artifact: String(verdict?.artifact), results: Object.fromEntries(results) };
}

/** A project in a repository on this machine, with what its lock file leaves open in `quorate.lock`. */
async function published(name: string, make: (dir: string) => Promise<LockedProject>) {
  const project = await make(cluster.dir);
  await cluster.git.commit(name, project.files);
  const locked = await cluster.cli(['lock'], { cwd: cluster.git.folder(name) });
  expect(locked.code, locked.report).toBe(0);
  return { ...project, url: await cluster.git.commitAll(name) };
}

it.each([
  ['cargo', cargoProject],
  ['go', goProject],
  ['pip', pipProject],
])(
  'a project of %s is built alone, and by all but one who is sent another byte and says of what',
  async (name, make) => {
    const { url, dependency, says } = await published(name, make);
    const alone = await cluster.cli(['try', cluster.git.folder(name), '--commit']);
    expect(alone.code, alone.report).toBe(0);
    const built = alone.lines.find(({ event }) => event === 'built');

    changed = dependency.bytes.subarray(64, 128);
    const { artifact, results } = await trusted(await cluster.submit(url));
    expect(results.cleo).toContain(
      `aborted: source: DEPENDENCIES_MISMATCH: ${dependency.named} was sent with other bytes`,
    );
    expect([results.ada, results.ben]).toEqual([built?.artifact, built?.artifact]);
    const fetched = await cluster.fetch(artifact, name);
    expect(fetched.code, fetched.report).toBe(0);
    expect(await cluster.readText('fetched', name, 'said')).toBe(says);
  },
);

it('one who was sent another byte builds once the right ones arrive', async () => {
  const { url } = await published('pip', pipProject);
  changed = Buffer.of();
  const { artifact, results } = await trusted(await cluster.submit(url));
  expect(results).toEqual({ ada: artifact, ben: artifact, cleo: artifact });
});
