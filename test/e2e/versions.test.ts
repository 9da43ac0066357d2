import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Patches, patchedProgram } from '../support/patched-program.ts';
import { Cluster } from './support/cluster.ts';
import { program as job } from './support/jobs.ts';
import { endAll } from './support/processes.ts';

const more = `more: { since: 'a later version', sizes: [1, 2], note: { by: 'nobody' } },`;
/** A version that adds something to each document of a run, which the others may ignore. */
const adding: Patches = {
  'src/member/client.ts': [['      rebuild,\n', `      rebuild, ${more}\n`]],
  'src/controller/machine/rounds/open-round.ts': [
    ['  const offer: Offer = {\n', `  const offer: Offer = { ${more}\n`],
  ],
  'src/controller/machine/rounds/leases.ts': [
    ['  const lease: Lease = {\n', `  const lease: Lease = { ${more}\n`],
  ],
  'src/controller/machine/verdicts/verdict.ts': [
    ['  return {\n    job: run.jobId,\n', `  return { ${more}\n    job: run.jobId,\n`],
  ],
  'src/worker/machine/claim.ts': [['  return {\n', `  return { ${more}\n`]],
  'src/worker/machine/machine.ts': [['    facts: {\n', `    facts: { ${more}\n`]],
};
/** A version whose offers mean something else. */
const raising: Patches = {
  'src/protocol/documents/growth.ts': [['  offer: 1,\n', '  offer: 2,\n']],
  'src/protocol/documents/round.ts': [
    [
      'export const offerSchema = z.strictObject({\n',
      'export const offerSchema = z.strictObject({ v: z.literal(2).optional(),\n',
    ],
  ],
  'src/controller/machine/rounds/open-round.ts': [
    ['  const offer: Offer = {\n', '  const offer: Offer = { v: 2,\n'],
  ],
};

const later = { adding: '', raising: '' };
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-versions-'));
  [later.adding, later.raising] = await Promise.all([
    patchedProgram(join(folder, 'adding'), adding),
    patchedProgram(join(folder, 'raising'), raising),
  ]);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const machines = ['ada', 'bob', 'cyd', 'tower'];

/** A project whose nodes run these versions, by their names; all others that of the sources. */
async function project(versions: Record<string, string>): Promise<Cluster> {
  onTestFinished(endAll);
  const cluster = await Cluster.start({
    volunteers: machines.slice(0, 3),
    trusted: true,
    slotWait: '20s',
    programs: new Map(Object.entries(versions)),
  });
  return cluster;
}

/** Publishes a job, and waits for its end. */
async function run(cluster: Cluster) {
  const node = await cluster.submit(await cluster.git.commit('app', job('hello')));
  const { code } = await node.end();
  return { code, node, report: node.report() };
}

describe('a version that adds what others may ignore', () => {
  it.each([
    ['a controller of it, and workers that do not know it', ['controller', 'owner']],
    ['workers of it, and a controller that does not know it', machines],
  ])('%s: the run is trusted, and so it is for consumers of both', async (_, names) => {
    const cluster = await project(Object.fromEntries(names.map((name) => [name, later.adding])));
    const { code, node, report } = await run(cluster);
    expect(code, report).toBe(0);
    const artifact = String(node.all('verdict').at(-1)?.artifact);
    for (const version of [undefined, later.adding]) {
      if (version !== undefined) cluster.programs.set('stranger', version);
      const fetched = await cluster.fetch(artifact, `by ${version}`);
      expect(fetched.code, fetched.report).toBe(0);
    }
  });
});

describe('a version whose offers are of version 2', () => {
  const owner = { controller: '', owner: '' };

  it('that runs the workers builds for a controller of before', async () => {
    const cluster = await project(Object.fromEntries(machines.map((name) => [name, later.raising])));
    const { code, report } = await run(cluster);
    expect(code, report).toBe(0);
  });

  it('that runs the controller ends a run at once which only workers of before could take, and names them', async () => {
    const versions = { ...owner, controller: later.raising, owner: later.raising };
    const cluster = await project(versions);
    await expect.poll(async () => (await status(cluster)).behind).toHaveLength(4);
    const behind = (await status(cluster)).behind as { operator: string; says: string }[];
    expect(behind.map(({ operator }) => operator).sort()).toEqual([...machines].sort());
    expect(behind[0]?.says).toContain('cannot read offer of version 2 (1 at most)');
    const { code, report } = await run(cluster);
    expect(code, report).not.toBe(0);
    expect(report).toMatch(/only older workers could take it.*ada/);
    expect(report).not.toContain('disputed');
    // At the other side: the worker, and doctor where it runs.
    const told = await cluster.cli(['worker', 'status'], { home: 'ada' });
    const [{ status: worker } = {}] = told.lines as { status?: { behind: string } }[];
    expect(worker?.behind).toContain('this version cannot read offer of version 2');
    const doctor = await cluster.cli(['doctor', '--tier', 'namespace'], { home: 'ada', cwd: cluster.dir });
    expect(JSON.stringify(doctor.lines)).toContain('this version cannot read offer of version 2');
    expect(cluster.worker('ada').all('offer')).toEqual([]);
  });

  it('that runs the controller and enough workers goes on, and says who passed and why', async () => {
    const versions = { ...owner, controller: later.raising, owner: later.raising };
    for (const name of ['bob', 'cyd', 'tower']) Object.assign(versions, { [name]: later.raising });
    const cluster = await project(versions);
    const { code, node, report } = await run(cluster);
    expect(code, report).toBe(0);
    expect(node.all('passed')).toMatchObject([{ operator: 'ada', reason: 'worker-older' }]);
    // Told once, not at each backlog.
    expect(cluster.worker('ada').all('pass')).toHaveLength(1);
  });
});

async function status(cluster: Cluster) {
  const { lines } = await cluster.cli(['controller', 'status']);
  return (lines[0] ?? {}) as { behind?: unknown };
}
