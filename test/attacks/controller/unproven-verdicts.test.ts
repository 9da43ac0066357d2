import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLimits } from '../../../src/client/commands/run-evidence.ts';
import { loadKey } from '../../../src/identity/keys.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { serveBundles } from '../../../src/node/artifacts/bundles.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { program } from '../../e2e/support/jobs.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';
import type { Line } from '../../e2e/support/told.ts';
import { withLimits } from '../../support/with-limits.ts';

/**
 * The key of a controller is stolen. A real project, the real evidence of one run, and a controller in the place of the real one that
 * calls each run trusted. Without the check of `quorate run` each of these exits with 0.
 */
let cluster: LocalCluster;
let url: string;
let bundles: string;
/** The real run, as listed, and its evidence. */
let real: Line & { run: string };
let evidence: string;
let thief: Mesh;
/** The bundle that it shows for any run, and the commit and job that it says the real run was of. */
let shown: string | undefined;
let said: { commit: unknown; job: unknown };

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  url = await cluster.git.commit('tool', program('one'));
  const honest = await cluster.submit(url);
  expect((await honest.end()).code, honest.report()).toBe(0);
  const { lines } = await cluster.cli(['jobs']);
  real = (lines.flat() as unknown as (typeof real)[])[0] as typeof real;
  said = real as unknown as typeof said;
  bundles = join(cluster.projectDir, '.quorate', 'bundles');
  evidence = await readFile(join(bundles, `${honest.run}.json`), 'utf8');
});

it('a controller that calls a rebuild the same shows the evidence of both runs', async () => {
  withLimits(commandLimits, { storedMsMax: 0 });
  const again = await cluster.cli(['run', url, '--rebuild']);
  expect(code(again), again.report).toEqual({ code: 0, unproven: [] });
  expect(again.lines.at(-1)).toMatchObject({
    event: 'repeated',
    same: true,
    earlier: real.run,
    verified: true,
  });
  // Without it this one exits with 0 as well.
  await rm(join(bundles, `${again.lines[0]?.run}.json`));
  const lacking = await cluster.cli(['run', url, '--rebuild']);
  expect(lacking.lines).toContainEqual(expect.objectContaining({ event: 'repeated', same: true }));
  expect(code(lacking), lacking.report).toEqual({ code: 1, unproven: ['BUNDLE_NOT_FOUND'] });
});

const steal = async () => {
  await cluster.control.stop();
  thief = await openMesh({
    key: (await loadKey(join(cluster.projectDir, '.quorate', 'controller.key'))).seed,
    listen: [`/ip4/127.0.0.1/tcp/${cluster.port}`],
    bootstrap: [],
    topics: [],
    role: 'node',
  });
  serveBundles(thief, { get: async () => shown, size: async () => shown?.length });
  thief.handle(
    protocols.api,
    async (channel) => {
      const { kind } = JSON.parse(fromUtf8((await channel.receive()) ?? new Uint8Array()));
      const { repo, ref, artifact, name } = real;
      const { commit, job } = said;
      const told = [
        { kind: 'accepted', job, name, repo, ref, commit },
        { kind: 'verdict', level: 'trusted', artifact },
      ];
      const answers: Record<string, object[]> = {
        submit: [{ kind: 'accepted', run: real.run, job: real.job }],
        jobs: [{ kind: 'jobs', jobs: [{ ...real, commit }], equivocations: ['sizes'] }],
        show: [
          {
            kind: 'job',
            summary: { ...real, commit },
            pipeline: [],
            history: told.map((progress) => ({ at: 1, progress })),
          },
        ],
        follow: [...told.map((progress) => ({ kind: 'progress', at: 1, progress })), { kind: 'end' }],
      };
      for (const answer of answers[kind] ?? []) await channel.send(encodeMessage(answer as never));
      await channel.close();
    },
    { maxInboundStreams: 32, maxMessageBytes: 1_000_000 },
  );
};

const code = ({ code, lines }: { code: number | null; lines: Line[] }) => ({
  code,
  unproven: lines.filter(({ event }) => event === 'unproven').map((line) => line.code),
});

describe('a controller that calls a run trusted', () => {
  beforeAll(steal);
  afterAll(() => thief.close());

  it('shows no evidence', async () => {
    withLimits(commandLimits, { storedMsMax: 0 });
    shown = undefined;
    const answer = await cluster.cli(['run', url]);
    expect(code(answer), answer.report).toEqual({ code: 1, unproven: ['BUNDLE_NOT_FOUND'] });
    expect(answer.stderr).toMatch(/does not prove it: .*\[BUNDLE_NOT_FOUND\]$/m);
    const read = await cluster.cli(['run', url], { plain: true });
    expect(read.code, read.report).toBe(1);
    expect(read.report).not.toMatch(/^(.* )?trusted /m);
  });

  it('shows the evidence of another run', async () => {
    shown = evidence;
    const answer = await cluster.cli(['run', url]);
    expect(code(answer), answer.report).toEqual({ code: 1, unproven: ['RUN_MISMATCH'] });
  });

  it('or that its log tells two stories, is asked by commands that show no evidence, and say so', async () => {
    shown = undefined;
    const told = 'the log tells two stories, and shows no evidence: sizes.';
    const inWords = /^These are the controller's words, which this command does not verify: /m;
    const jobs = await cluster.cli(['jobs'], { plain: true });
    expect(jobs.report).toMatch(inWords);
    expect(jobs.stderr).toContain(`The controller says that ${told}`);
    const show = await cluster.cli(['show', real.run], { plain: true });
    expect(show.report).toMatch(/^trusted: /m);
    expect(show.report).toMatch(inWords);
  });

  it('says so of several jobs', async () => {
    shown = evidence;
    const job = '{run: [\'true > "$OUT/a"\'], limits: {cpus: 1, memory: 64MiB, disk: 16MiB, time: 1m}}';
    const two = await cluster.git.commit('two', { 'quorate.yaml': `jobs:\n  a: ${job}\n  b: ${job}\n` });
    const answer = await cluster.cli(['run', two]);
    expect(code(answer), answer.report).toEqual({ code: 1, unproven: ['RUN_MISMATCH', 'RUN_MISMATCH'] });
    const verdicts = answer.lines.filter(({ event }) => event === 'verdict');
    expect(verdicts.map(({ verified }) => verified)).toEqual([false, false]);
    const { report } = await cluster.cli(['run', two], { plain: true });
    expect(report.match(/^ {2}[ab] +trusted \(unverified\)/gm)).toHaveLength(2);
    expect(report).not.toMatch(/^ {2}[ab] +trusted(?! \()/m);
  });

  it('lists a trusted run as that of a later commit, which is published again all the same', async () => {
    shown = evidence;
    // The real one, as it is, stands.
    const honest = await cluster.cli(['run', '--failed', url]);
    expect(honest.lines.map(({ event }) => event)).toContain('kept');
    expect(code(honest), honest.report).toEqual({ code: 0, unproven: [] });
    await cluster.git.commit('tool', program('two'));
    const { lines } = await cluster.cli(['run', url]);
    const submitted = lines.find(({ event }) => event === 'submitted');
    said = submitted as unknown as typeof said;
    const answer = await cluster.cli(['run', '--failed', url]);
    expect(answer.lines.map(({ event }) => event)).not.toContain('kept');
    expect(answer.stderr).toMatch(
      /^build is published again, as its last run is not proven: .*\[RUN_MISMATCH\]$/m,
    );
    expect(code(answer), answer.report).toEqual({ code: 1, unproven: ['RUN_MISMATCH'] });
  });
});
