import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobSpec } from '../../src/jobfile/index.ts';
import { type Client, openClient } from '../../src/member/client.ts';
import { type Prepared, prepare } from '../../src/member/submit.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { jobFile } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import type { Proc } from '../e2e/support/processes.ts';
import type { Line } from '../e2e/support/told.ts';

const GB = 2 ** 30;

interface Bad {
  run: string;
  outputs?: string[];
  time?: string;
  memory?: string;
  /** The outcome that the worker signs. */
  outcome: object;
  /** Pattern that the build's log matches, where a tool of the build reports the fault too. */
  log?: RegExp;
}

const aborted = (reason: string, detail: string | RegExp) => ({
  kind: 'aborted',
  reason,
  detail: expect.stringMatching(detail),
});
const failed = (code: number) => ({ kind: 'exit', code, artifact: null });
const made = { kind: 'exit', code: 0, artifact: expect.stringMatching(/^baf/) };

/** The name of each job, and how it ends. */
const builds: Record<string, Bad> = {
  fails: { run: 'echo wrong >&2; exit 7', outcome: failed(7), log: /wrong/ },
  'times-out': { run: 'sleep 100', time: '1s', outcome: aborted('time', /1 s/) },
  'is-killed-for-memory': {
    run: 'head -c 300000000 /dev/zero | tail -c 300000000 | wc -c',
    memory: '64MiB',
    outcome: aborted('memory', /memory/),
  },
  'prints-four-logs': {
    run: `yes 0123456789abcde | head -c ${4 * limits.logBytesMax}; echo x > "$OUT/x"`,
    outcome: made,
  },
  'writes-1-GB-too-much': {
    run: `head -c ${GB} /dev/zero > "$OUT/large"`,
    outcome: failed(1),
    log: /No space left/,
  },
  'leaves-1-GB-that-is-a-hole': {
    run: `truncate -s ${GB} "$OUT/large"`,
    outcome: aborted('outputs', /^STORE_TREE_TOO_LARGE: .* 64 MiB/),
  },
  'leaves-no-outputs': { run: 'true', outputs: ['bin'], outcome: failed(1), log: /bin/ },
  'leaves-nothing': { run: 'true', outcome: made },
  'leaves-an-absolute-link': {
    run: 'ln -s /etc/passwd "$OUT/link"',
    outcome: aborted('outputs', /^STORE_LINK_ESCAPES: .*link/),
  },
  'leaves-a-link-through-dots': {
    run: 'mkdir "$OUT/a"; ln -s ../../etc/passwd "$OUT/a/link"',
    outcome: aborted('outputs', /^STORE_LINK_ESCAPES: .*a.link/),
  },
  'wants-an-output-through-dots': {
    run: 'ln -s .. "$OUT/up"',
    outputs: ['up'],
    outcome: aborted('outputs', /./),
  },
  'makes-a-device': { run: 'mknod "$OUT/null" c 1 3', outcome: failed(1), log: /not permitted/ },
  'leaves-a-named-pipe': {
    run: 'mkfifo "$OUT/pipe"',
    outcome: aborted('outputs', /^STORE_ENTRY_REFUSED: .*pipe/),
  },
  // A socket is useless without the process that made it: tar leaves it out, and says so.
  'leaves-a-socket': {
    run: `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "$ENV{OUT}/socket", Listen => 1) or die $!'`,
    outcome: made,
    log: /socket/,
  },
  'leaves-a-name-that-is-no-text': {
    run: `touch "$OUT/$(printf '\\377')"`,
    outcome: aborted('outputs', /^STORE_NAME_NOT_UTF8: /),
  },
  'leaves-names-that-differ-in-case': {
    run: 'touch "$OUT/readme" "$OUT/README"',
    outcome: aborted('outputs', /^STORE_PATH_CASE_CONFLICT: .*(readme|README)/),
  },
  'leaves-a-tower-of-folders': {
    run: 'cd "$OUT"; i=0; while [ $i -lt 300 ]; do mkdir d; cd d; i=$((i+1)); done',
    outcome: aborted('outputs', /^STORE_PATH_TOO_DEEP: /),
  },
};

let cluster: LocalCluster;
let worker: Proc;
let client: Client;
let prepared: Prepared;
let url: string;
const runs = new Map<string, string>();

beforeAll(async () => {
  cluster = await LocalCluster.start({ slotWait: '10m' });
  const args = [
    'join',
    await cluster.ticket('ada'),
    '--yes',
    '--tier',
    'namespace',
    '--jobs',
    '2',
    '--cpus',
    '2',
    '--listen',
    '/ip4/127.0.0.1/tcp/0',
  ];
  // A process of its own, whose memory is looked at.
  worker = cluster.spawn('ada', args, { home: 'ada', cwd: cluster.dir });
  await worker.event('connected');
  const jobs = Object.entries(builds).map(([name, { run, outcome: _, log: __, ...more }]) =>
    jobFile({ run: [run], time: '10m', ...more }).replace('jobs:\n  build:', `  ${name}:`),
  );
  url = await cluster.git.commit('bad', { 'quorate.yaml': `jobs:\n${jobs.join('')}` });

  // One command, so that this home is the owner's; then the same from here, without a process for each job.
  expect((await cluster.cli(['jobs'])).code).toBe(0);
  const home = openHome(cluster.home('owner'));
  const signal = AbortSignal.timeout(120_000);
  prepared = await prepare({ url, ref: 'main', signal });
  client = await openClient({ home, membership: await home.membership(), signal });
  const repo = { url, ref: prepared.ref };
  for (const { job } of prepared.jobs) await submit(job.name, { repo, job });
  const job = { ...someJob(), name: 'other-source' };
  await submit('wrong-tree', { repo, job, tree: prepared.tree.replace(/.{4}$/, 'aaaa') });
  await submit('unknown-commit', { repo, job, commit: 'c0ffee'.padEnd(40, '0') });
  await submit('no-repository', { repo: { ...repo, url: cluster.git.url('none') }, job });
});

afterAll(() => client?.close());

function someJob(): JobSpec {
  const job = prepared.jobs.find(({ job: { name } }) => name === 'fails')?.job;
  if (job === undefined) throw new Error('no such job');
  return job;
}

async function submit(
  name: string,
  {
    repo,
    job,
    ...source
  }: Partial<Pick<Prepared, 'tree' | 'commit'>> & {
    repo: { url: string; ref: string };
    job: JobSpec;
  },
): Promise<void> {
  const { commit, tree } = { ...prepared, ...source };
  const policy = { ...job.trust };
  // The name of the job is how its lines are found.
  const accepted = await client.submit({
    repo,
    commit,
    tree,
    job: { ...job, name },
    policy,
    expiresSeconds: 600,
  });
  runs.set(name, accepted.run);
}

async function outcomeOf(name: string): Promise<unknown> {
  const where = ({ says }: Line) => String(says).startsWith(`${name} is built`);
  return ((await worker.event('built', { where })).data as { outcome: unknown }).outcome;
}

async function logOf(name: string): Promise<string> {
  const signal = AbortSignal.timeout(120_000);
  let log = '';
  for await (const { text } of client.logs(runs.get(name) ?? '', { follow: false, signal })) log += text;
  return log;
}

describe('a build that', () => {
  it.each(Object.keys(builds))('%s', async (name) => {
    const { outcome, log } = builds[name] ?? { outcome: undefined };
    expect(await outcomeOf(name)).toEqual(outcome);
    // The rest of a log is sent after its build.
    if (log !== undefined) await expect.poll(() => logOf(name)).toMatch(log);
  });

  it('prints four times its limit costs a log of that, and says that the rest is left out', async () => {
    await outcomeOf('prints-four-logs');
    // The rest of a log is sent after its build.
    let log = '';
    await expect
      .poll(async () => (log = await logOf('prints-four-logs')))
      .toMatch(/the rest is left out\]\n$/);
    expect(log.length).toBeLessThan(limits.logBytesMax + 10_000);
    // A reader is told of lines that it does not get, wherever they were dropped.
    for (const line of log.trimEnd().split('\n'))
      if (!'0123456789abcde'.startsWith(line)) expect(line).toMatch(/^(quorate: .*|\[.* left out.*\])$/);
    const left = [...log.matchAll(/^\[quorate: (\d+) bytes are left out here/gm)];
    const missing = left.reduce((sum, [, count]) => sum + Number(count), 0);
    expect(missing + log.length).toBeGreaterThan(limits.logBytesMax - 10_000);
  });
});

describe('a source that is not what the job says', () => {
  it('is another tree', async () => {
    expect(await outcomeOf('wrong-tree')).toEqual(
      aborted(
        'source',
        `^SOURCE_TREE_MISMATCH: commit ${prepared.commit} holds tree ${prepared.tree}, the job says .*aaaa \\(hint: .*quorate run\\.\\)$`,
      ),
    );
    await expect.poll(() => logOf('wrong-tree')).toContain('quorate: hint: Publish the job again');
  });

  it('is a commit the server does not have', async () => {
    expect(await outcomeOf('unknown-commit')).toEqual(
      aborted('source', /^SOURCE_COMMIT_NOT_FOUND: .*c0ffee/),
    );
  });

  it('is no repository', async () => {
    expect(await outcomeOf('no-repository')).toEqual(aborted('source', /^SOURCE_NOT_FOUND: /));
  });
});

describe('after all of them', () => {
  it('the worker works on, and nothing of them is left', async () => {
    for (const name of runs.keys()) await outcomeOf(name);
    const folders = async () =>
      (await readdir(cluster.home('ada'))).filter((file) => file.startsWith('tmp-'));
    // No build waits for the removal of its folder; what waits for the next job is gone at a pause.
    await cluster.cli(['worker', 'pause'], { home: 'ada', cwd: cluster.dir });
    await expect.poll(folders).toEqual([]);
    await cluster.cli(['worker', 'resume'], { home: 'ada', cwd: cluster.dir });
    const status = await readFile(`/proc/${worker.pid}/status`, 'utf8');
    const peakKib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
    expect(peakKib / 1024).toBeLessThan(450);
    expect(worker.alive).toBe(true);
  });

  it('a publisher is told what became of a job, and why', async () => {
    await Promise.all(['ben', 'cyd'].map((name) => cluster.volunteer(name)));
    const args = ['run', url, '--job', 'leaves-a-named-pipe'];
    const run = cluster.start('quorate run', args, { plain: true });
    const { code } = await run.end();
    const out = run.text;
    expect(code, run.report()).toBe(1);
    expect(out).toMatch(/slot 1 .*aborted: outputs: STORE_ENTRY_REFUSED: .*pipe/);
    expect(out).not.toContain('Nobody took 3 of');
    expect(out).toMatch(
      /unfinished: its outputs have a name or a kind of file that no artifact can have\n.*aborted: outputs: .*, after step 1 of 1: mkfifo/,
    );
  });

  it('a source whose server is gone', async () => {
    await cluster.git.stop();
    const commit = 'facade'.padEnd(40, '0');
    await submit('gone', { repo: { url, ref: prepared.ref }, job: someJob(), commit });
    expect(await outcomeOf('gone')).toEqual(aborted('source', /^SOURCE_UNREACHABLE: /));
  });
});
