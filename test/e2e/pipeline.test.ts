import { beforeAll, describe, expect, it } from 'vitest';
import { wordOnly } from '../../src/client/commands/job-list.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { decodeBundle } from '../../src/protocol/documents/index.ts';
import { verifyBundle } from '../../src/protocol/trust/index.ts';
import { documentedEvents } from '../cli/run-events.ts';
import { processesWith, uniqueSleep } from '../sandbox/support.ts';
import { gate } from './support/gate.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Line, Told } from './support/told.ts';
import { until } from './support/wait.ts';

const volunteers = ['ada', 'ben', 'cleo'];
let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers });
});

const limits = 'limits: {memory: 256MiB, disk: 64MiB, time: 2m}';

/** A job of these steps. */
const repository = (name: string, ...run: string[]) =>
  cluster.git.commit(name, { 'quorate.yaml': jobFile({ run }) });

describe('run --log', () => {
  const held = gate();
  const steps = ['printf "to\\033[2Jnight\\n"', held.step, 'echo morning; echo built > "$OUT/file"'];

  it('prints what each build writes while it builds, between the lines of its progress', async () => {
    const url = await repository('slow', ...steps);
    const run = cluster.start('quorate run --log', ['run', url, '--log', '--until', 'agreed'], {
      plain: true,
    });
    const line = (name: string) => `${name}│ to\\x1b[2Jnight\n`;
    await run.told('a line of each build', () => volunteers.every((name) => run.text.includes(line(name))));
    await held.reached(3);
    expect(run.text).not.toContain('morning');
    expect(run.text).not.toContain('sealed');
    await held.open();
    expect((await run.end()).code, run.report()).toBe(0);
    for (const name of volunteers) expect(run.text).toContain(`${name}│ morning\n`);
    expect(run.text).toContain('agreed (verified) bafy');
    expect(run.text).not.toContain(String.fromCharCode(27));
  });
});

describe('a pipeline that is followed', () => {
  const held = gate();

  it('has a level verified while others are built', async () => {
    const job = `run: ['echo made > "$OUT/file"'], ${limits}`;
    const app = `run: [${JSON.stringify(held.step)}, 'echo made > "$OUT/file"'], needs: {lib: agreed}, ${limits}`;
    const url = await cluster.git.commit('early', {
      'quorate.yaml': `jobs:\n  lib: {${job}}\n  app: {${app}}\n`,
    });
    const run = await cluster.submit(url, '--until', 'agreed');
    await held.reached(3);
    const line = await run.event('verdict', { where: ({ verified }) => verified === true });
    expect(line).toMatchObject({ name: 'lib', level: 'agreed' });
    await held.open();
    expect((await run.end()).code, run.report()).toBe(0);
    const verified = run.all('verdict').filter((one) => one.verified === true);
    expect(verified.map(({ name }) => name)).toEqual(['lib', 'app']);
  });
});

describe('a run cancelled while three operators build', () => {
  it('ends without a verdict, stops the builds, and frees the machines for the next', async () => {
    const marker = uniqueSleep();
    const run = await cluster.submit(await repository('wrong', `sleep ${marker}`));
    await run.events('leased', 3);
    await until('the processes', async () => (await processesWith(marker)).length >= 3);

    const other = await cluster.cli(['cancel', run.run, '--reason', 'no'], { home: 'ada', cwd: cluster.dir });
    expect([other.code, other.error], other.report).toEqual([2, 'CANCEL_PUBLISHER_MISMATCH']);
    const done = await cluster.cli(['cancel', run.run.slice(0, 10), '--reason', 'wrong branch']);
    expect(done.code, done.report).toBe(0);
    expect(done.lines).toEqual([{ cancelled: run.run, reason: 'wrong branch' }]);

    expect((await run.end()).code, run.report()).toBe(1);
    expect(run.lines.at(-1)).toMatchObject({ event: 'cancelled', reason: 'wrong branch' });
    await until('the builds to stop', async () => (await processesWith(marker)).length === 0);
    for (const name of volunteers)
      await cluster
        .worker(name)
        .event('note', { where: (line) => JSON.stringify(line).includes('RUN_CANCELLED') });
    expect(await cluster.show(run.run)).toMatchObject({ state: 'cancelled', level: null });

    const again = await cluster.cli(['cancel', run.run, '--reason', 'again']);
    expect([again.code, again.error], again.report).toEqual([2, 'RUN_OVER']);
    const unknown = await cluster.cli(['cancel', 'f'.repeat(64), '--reason', 'x']);
    expect([unknown.code, unknown.error], unknown.report).toEqual([2, 'JOB_UNKNOWN']);

    const next = await cluster.submit(await repository('right', 'echo b > "$OUT/b"'), '--until', 'agreed');
    expect((await next.end()).code, next.report()).toBe(0);
  });
});

const file = `
jobs:
  lib:
    run: ['echo lib > "$OUT/lib"']
    ${limits}
  test:
    kind: test
    needs: {lib: agreed}
    matrix: {n: [1, 2]}
    run:
      - test "$(cat /build/in/lib/lib)" = lib
      - 'echo "passed \${{ matrix.n }}" > "$OUT/report"'
    ${limits}
  docs:
    needs: {lib: agreed}
    run: ['cat /build/in/lib/lib /build/in/lib/lib > "$OUT/docs"']
    ${limits}
  package:
    needs: {docs: trusted, lib: trusted, test: trusted}
    run: ['test ! -e /build/in/test.1; cat /build/in/docs/docs /build/in/lib/lib > "$OUT/package"']
    ${limits}
`;

const of = (run: Told, event: string, name: string): Line[] =>
  run.all(event).filter((line) => line.name === name);

const few = `
jobs:
  lib: {run: ['echo few > "$OUT/lib"'], ${limits}}
  docs: {needs: {lib: agreed}, run: ['cat /build/in/lib/lib > "$OUT/docs"'], ${limits}}
  package: {needs: {docs: trusted, lib: agreed}, run: ['cp /build/in/docs/docs "$OUT/package"'], ${limits}}
`;

describe('a job that was cancelled, and what waited for it', () => {
  it('are published again by themselves, on what the others made', async () => {
    const url = await cluster.git.commit('few', { 'quorate.yaml': few });
    const first = cluster.start('quorate run', ['run', url]);
    const agreed = () => of(first, 'verdict', 'docs').length > 0;
    await first.told('docs is agreed', agreed);
    const runOf = (run: Told, event: string, name: string) => String(of(run, event, name)[0]?.run);
    await cluster.cli(['cancel', runOf(first, 'submitted', 'docs'), '--reason', 'no']);
    await first.told('package ends', () => of(first, 'cancelled', 'package').length > 0);
    await first.stop();

    const again = cluster.start('quorate run', ['run', '--failed', url]);
    await again.told('docs is built again', () => of(again, 'verdict', 'docs').length > 0);
    expect(again.all('kept').map(({ name, run }) => [name, run])).toEqual([
      ['lib', runOf(first, 'submitted', 'lib')],
    ]);
    expect(again.all('submitted').map(({ name }) => name)).toEqual(['docs', 'package']);
    expect(of(again, 'waiting', 'docs')[0]?.needs).toMatchObject({
      lib: { request: runOf(first, 'submitted', 'lib') },
    });
    await again.stop();
    const ids = ['package', 'docs'].map((name) => runOf(again, 'submitted', name));
    ids.push(runOf(first, 'submitted', 'lib'));
    const all = await cluster.cli(['cancel', ids[0] ?? '', '--pipeline', '--reason', 'all of it']);
    const ended = ids.map((cancelled) => ({ cancelled, reason: 'all of it' }));
    expect([all.code, all.lines], all.report).toEqual([0, ended]);
  });
});

describe('jobs that read what other jobs made', () => {
  // Those above are agreed and wait for a trusted worker, which would build them first.
  beforeAll(async () => {
    const { lines } = await cluster.cli(['jobs']);
    for (const { run } of lines.flat() as unknown as { run: string }[])
      await cluster.cli(['cancel', run, '--reason', 'not needed']);
  });

  it('get ahead on what is agreed, rise with it, and are what a consumer verifies offline', async () => {
    const url = await cluster.git.commit('pipeline', { 'quorate.yaml': file });
    const run = cluster.start('quorate run', ['run', url]);
    for (const name of ['lib', 'test.1', 'test.2', 'docs'])
      await run.told(`${name} is agreed`, () =>
        of(run, 'verdict', name).some(({ level }) => level === 'agreed'),
      );
    expect(of(run, 'inputs', 'package')).toEqual([]);
    const { artifact } = of(run, 'verdict', 'docs')[0] ?? {};
    const early = await cluster.refusedFetch(String(artifact), 'early');
    expect([early.code, early.error], early.report).toEqual([1, 'NOT_TRUSTED']);

    await cluster.trusted();
    expect((await run.end()).code, run.report()).toBe(0);
    for (const name of ['lib', 'test.1', 'test.2', 'docs', 'package']) {
      expect(of(run, 'verdict', name).at(-1), name).toMatchObject({ level: 'trusted', verified: true });
      expect(of(run, 'round', name), name).toHaveLength(1);
    }
    const shown = cluster.start('quorate show', ['show', String(of(run, 'submitted', 'docs')[0]?.run)], {
      plain: true,
    });
    await shown.end();
    const [head, ...rows] = shown.text.slice(shown.text.indexOf('Pipeline\n')).split('\n');
    expect(head, shown.report()).toBe('Pipeline');
    expect(
      rows.map((row) =>
        row
          .replace(/[0-9a-f]{10}/, 'id')
          .replace(/ +/g, ' ')
          .trim(),
      ),
    ).toEqual([
      'lib id trusted',
      '├ test.1 id test, trusted *',
      '├ test.2 id test, trusted *',
      '> └ docs id trusted',
      '└ package id trusted also needs test.1, test.2',
      '* not co-signed: whoever holds the controller can forge this',
      '',
      wordOnly,
      '',
    ]);
    const documented = documentedEvents();
    for (const line of run.lines) {
      const { always = [], sometimes = [] } = documented.get(String(line.event)) ?? {};
      const ofRun = line.kind === undefined ? ['event'] : ['event', 'kind', 'at', 'name', 'run'];
      const fields = Object.keys(line).filter((field) => !sometimes.includes(field));
      expect(fields.sort(), String(line.event)).toEqual([...new Set([...always, ...ofRun])].sort());
    }
    const made = String(of(run, 'verdict', 'package').at(-1)?.artifact);
    const fetched = await cluster.fetch(made, 'package', '--bundle-out', `${cluster.dir}/package.json`);
    expect(fetched.code, fetched.report).toBe(0);
    expect(await cluster.readText('fetched', 'package', 'package')).toBe('lib\nlib\nlib\n');

    const bundle = decodeBundle(await cluster.readText('package.json'));
    expect(bundle.inputs).toHaveLength(4);
    const project = JSON.parse(
      Buffer.from(bundle.charter.split('.')[1] ?? '', 'base64url').toString(),
    ).project;
    const verified = await verifyBundle(bundle, { project, artifact: made }, joseVerifier);
    expect(verified).toMatchObject({ ok: true, level: 'trusted' });
    expect(Object.keys(verified.facts?.inputs ?? {})).toEqual(['docs', 'lib', 'test.1', 'test.2']);
  });
});

describe('the output of a test that failed', () => {
  it('is fetched as reports, and never as an artifact', async () => {
    const steps = `run: ['echo "case 2" > "$OUT/failed"; exit 3']`;
    const jobs = `jobs:\n  unit: {kind: test, ${steps}, ${limits}}\n`;
    const url = await cluster.git.commit('fails', { 'quorate.yaml': jobs });
    const run = await cluster.submit(url);
    expect((await run.end()).code, run.report()).toBe(1);
    const { level, artifact, reports, verified } = run.all('verdict').at(-1) ?? {};
    expect([level, artifact, verified]).toEqual(['failed', null, true]);

    const fetched = await cluster.fetch(run.run, 'reports', '--reports');
    expect(fetched.code, fetched.report).toBe(0);
    expect(fetched.lines.at(-1)).toMatchObject({ reports, test: 'unit', artifact: null });
    expect(await cluster.readText('fetched', 'reports', 'failed')).toBe('case 2\n');
    const shown = cluster.inside('show', ['show', run.run], { plain: true });
    expect((await shown.end()).code, shown.report()).toBe(0);
    expect(shown.text).toContain(`quorate fetch ${run.run} --reports -o ../out`);
    const asArtifact = await cluster.refusedFetch(String(reports), 'artifact');
    expect([asArtifact.code, asArtifact.error], asArtifact.report).toEqual([1, 'ARTIFACT_OF_TEST']);
    const { lines } = await cluster.cli(['jobs']);
    const found = lines.flat() as unknown as { name: string; level: string; run: string }[];
    const build = found.find(({ name, level }) => name === 'lib' && level === 'trusted');
    const ofBuild = await cluster.fetch(String(build?.run), 'build', '--reports');
    expect([ofBuild.code, ofBuild.error], ofBuild.report).toEqual([2, 'REPORTS_OF_BUILD']);
    const alike = await cluster.cli(['diff', String(build?.run)]);
    expect([alike.code, alike.error], alike.report).toEqual([2, 'DIFF_NO_DISPUTE']);
  });
});
