import { beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.ts';
import { type Gate, gate } from '../e2e/support/gate.ts';
import { until } from '../e2e/support/wait.ts';
import { marksOf, toldSince } from './told-since.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({
    volunteers: ['ada', 'ben', 'cleo', 'dan'],
    trusted: true,
    askInside: true,
  });
});

type Stage = 'build' | 'test' | 'package';
const stages: Stage[] = ['build', 'test', 'package'];
const limits = 'limits: {memory: 256MiB, disk: 64MiB, time: 10m}';

/** Build, test and package, each of which waits at its gate, if it has one. */
function pipeline(gates: Partial<Record<Stage, Gate>>): string {
  const step = (stage: Stage) => JSON.stringify(gates[stage]?.step ?? 'true');
  return `
jobs:
  build:
    run: [${step('build')}, 'echo made > "$OUT/app"']
    ${limits}
  test:
    kind: test
    needs: {build: agreed}
    run: [${step('test')}, 'grep made /build/in/build/app > "$OUT/report"']
    ${limits}
  package:
    needs: {build: trusted, test: trusted}
    run: [${step('package')}, 'cat /build/in/build/app /build/in/build/app > "$OUT/package"']
    ${limits}
`;
}

async function publish(name: string, gates: Partial<Record<Stage, Gate>> = {}) {
  const run = await cluster.submit(await cluster.git.commit(name, { 'quorate.yaml': pipeline(gates) }));
  const submitted = () => run.all('submitted');
  await until('all jobs to be published', () => submitted().length === stages.length);
  const runs = new Map(submitted().map((line) => [line.name as Stage, String(line.run)]));
  return { run, runs };
}

/** The last verdict of each job, once all have theirs. */
async function verdicts(runs: ReadonlyMap<Stage, string>) {
  const found: Record<string, unknown> = {};
  for (const [stage, run] of runs) {
    const shown = await until(`the verdict of ${stage}`, async () => {
      const now = await cluster.show(run);
      return now.state === 'done' && now;
    });
    const told = (kind: string) => shown.history.filter((progress) => progress.kind === kind).length;
    found[stage] = {
      level: shown.level,
      artifact: shown.artifact,
      rounds: told('round'),
      delivered: told('delivered'),
      lost: told('lost'),
    };
  }
  return found;
}

async function restartController(): Promise<void> {
  await cluster.control.kill();
  await cluster.startController();
}

describe('a controller killed at each stage of build, test and package', () => {
  let undisturbed: unknown;

  it('has verdicts to compare with', async () => {
    const { run, runs } = await publish('calm');
    expect((await run.end()).code, run.report()).toBe(0);
    undisturbed = await verdicts(runs);
    expect(undisturbed).toMatchObject({
      build: { level: 'trusted', delivered: 4 },
      test: { level: 'trusted', delivered: 3 },
      package: { level: 'trusted', delivered: 4 },
    });
  });

  it('comes to the same verdicts, and has nothing built again', async () => {
    const at = marksOf(cluster);
    const since = (event: string) => toldSince(cluster, at, event);
    const gates = { build: gate(), test: gate(), package: gate() };
    const { runs } = await publish('storm', gates);
    // While `build` is built, and the others wait.
    await gates.build.reached(4);
    await restartController();
    await gates.build.open();
    // As soon as one of them has a result.
    await until('a build to end', () => since('built').length >= 1);
    await restartController();
    // While `test` runs on what is agreed on, or trusted by then.
    await gates.test.reached(3);
    await restartController();
    await gates.test.open();
    // As soon as a test has a result: it is agreed on, witnessed and promoted in the lives that follow.
    await until('a test to end', () => since('built').length >= 5);
    await restartController();
    await gates.package.reached(4);
    await restartController();
    await gates.package.open();
    await until('both co-signatures', () => since('cosigned').length >= 2);
    await restartController();

    expect(await verdicts(runs)).toEqual(undisturbed);
    expect(since('build')).toHaveLength(11);
    const artifact = String((await cluster.show(runs.get('package') ?? '')).artifact);
    const fetched = await cluster.fetch(artifact, 'storm');
    expect(fetched.code, fetched.report).toBe(0);
    expect(await cluster.readText('fetched', 'storm', 'package')).toBe('made\nmade\n');
  });
});
