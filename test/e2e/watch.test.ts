import { createHmac, randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ContractServer, type Recorded } from '../forge/contract-server.ts';
import { gate } from './support/gate.ts';
import { git } from './support/git.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Told } from './support/told.ts';

const volunteers = ['ada', 'ben', 'cleo'];
let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers, trusted: true });
});

interface Place {
  url: string;
  forge: ContractServer;
  poll?: string;
  /** Lines of [forge]. */
  forgeMore?: string[];
}

/** `watch.toml` of the owner, for a repository and a forge. */
async function configure(
  { url, forge, poll = '1s', forgeMore = [] }: Place,
  ...more: string[]
): Promise<void> {
  const home = cluster.home('owner');
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'forge.token'), 'secret-token\n', { mode: 0o600 });
  const lines = [
    '[repository]',
    `url = "${url}"`,
    `poll = "${poll}"`,
    '[forge]',
    'kind = "forgejo"',
    `api = "${forge.url}"`,
    'project = "owner/tool"',
    'token-file = "forge.token"',
    ...forgeMore,
    '[status]',
    'link = "https://ci.example.org/runs/{run}"',
    ...more,
  ];
  await writeFile(join(home, 'watch.toml'), lines.join('\n'));
}

/** States and words of the statuses of a context, in the order in which they were set. */
const told = ({ requests }: ContractServer, commit: string, context: string) =>
  requests
    .filter(({ method, path }) => method === 'POST' && path.endsWith(`/statuses/${commit}`))
    .map(({ body }) => JSON.parse(body) as Record<string, string>)
    .filter((status) => status.context === context);

const startForge = async (answer?: (request: Recorded) => { body: unknown }) => {
  const forge = await ContractServer.start(
    answer ?? (({ method }) => ({ body: method === 'GET' ? [] : {} })),
  );
  onTestFinished(() => forge.close());
  return forge;
};

const startWatcher = (...more: string[]) => {
  const watcher = cluster.start('quorate watch', ['watch', ...more]);
  onTestFinished(async () => void (await watcher.stop()));
  return watcher;
};

/** Waits until the forge was told that. */
const toldBy = (watcher: Told, key: string, state: string) =>
  watcher.event('status-set', {
    where: (line) => line.key === key && (line.status as { state: string }).state === state,
  });

const rule = ['[[rule]]', 'name = "main"', 'branches = ["main"]'];
const head = (name: string) => git(cluster.git.folder(name), 'rev-parse', 'HEAD');

describe('quorate watch', () => {
  it('publishes what is pushed, and tells the forge of no more than the level', async () => {
    const steps = { run: ['cp say.sh "$OUT/say"'] };
    const url = await cluster.git.commit('tool', { 'say.sh': 'echo 1', 'quorate.yaml': jobFile(steps) });
    const first = await head('tool');
    const forge = await startForge();
    await configure({ url, forge }, ...rule);
    const watcher = startWatcher('--metrics', '127.0.0.1:0');
    await watcher.event('looked');
    expect(watcher.all('published')).toEqual([]);
    const { url: monitor } = (await watcher.event('monitored')).data as { url: string };
    expect((await fetch(`${monitor}/readyz`)).status).toBe(200);

    await cluster.git.commit('tool', { 'say.sh': 'echo 2' });
    const commit = await head('tool');
    const [run] = (await watcher.event('published')).runs as { run: string }[];
    await toldBy(watcher, `${commit} quorate/main`, 'success');
    await toldBy(watcher, `${commit} quorate/main/build`, 'success');
    expect(forge.requests.filter(({ path }) => path.includes(first))).toEqual([]);
    const whole = told(forge, commit, 'quorate/main');
    expect(whole.at(-1)).toMatchObject({
      state: 'success',
      description: 'trusted',
      target_url: `https://ci.example.org/runs/${run?.run}`,
    });
    expect(whole.slice(0, -1).map(({ state }) => state)).not.toContain('success');
    expect(told(forge, commit, 'quorate/main/build').at(-1)).toMatchObject({ state: 'success' });
    expect(await cluster.show(run?.run ?? '')).toMatchObject({ level: 'trusted' });
    expect(forge.requests.every(({ headers }) => headers.authorization === 'token secret-token')).toBe(true);
    await watcher.stop();
  });

  it('cancels what a push supersedes, and goes on where it was when it starts again', async () => {
    const held = gate();
    const url = await cluster.git.commit('slow', {
      'quorate.yaml': jobFile({ run: [held.step, 'echo > "$OUT/f"'] }),
    });
    const forge = await startForge();
    await configure({ url, forge }, ...rule);
    let watcher = startWatcher();
    await watcher.event('looked');
    await cluster.git.commit('slow', { a: '1' });
    const before = await head('slow');
    const [old] = (await watcher.event('published')).runs as { run: string }[];
    await held.reached(3);
    await cluster.git.commit('slow', { a: '2' });
    const commit = await head('slow');
    await toldBy(watcher, `${before} quorate/main/build`, 'error');
    expect(await cluster.show(old?.run ?? '')).toMatchObject({ state: 'cancelled' });
    const [next] = (await watcher.event('published', { where: ({ id }) => String(id).includes(commit) }))
      .runs as { run: string }[];
    await toldBy(watcher, `${before} quorate/main`, 'error');
    expect(told(forge, before, 'quorate/main').at(-1)?.description).toBe(
      `superseded by ${commit.slice(0, 12)}`,
    );
    await watcher.stop();

    watcher = startWatcher();
    await held.openDuring(toldBy(watcher, `${commit} quorate/main`, 'success'));
    expect(watcher.all('published')).toEqual([]);
    expect(await cluster.show(next?.run ?? '')).toMatchObject({ level: 'trusted' });
    const { lines } = await cluster.cli(['jobs']);
    const runs = (lines[0] as unknown as { commit: string }[]).filter((one) => one.commit === commit);
    expect(runs).toHaveLength(1);
    await watcher.stop();

    // Its copy of the log, in which a disk changed a bit, ends the start: not a look while it publishes.
    const log = join(cluster.home('owner'), `watch-log-${cluster.project}.txt`);
    const kept = await readFile(log);
    await writeFile(log, Buffer.concat([Buffer.of((kept[0] ?? 0) ^ 1), kept.subarray(1)]));
    expect((await cluster.answer(startWatcher())).error).toBe('HOME_DAMAGED');
    await writeFile(log, kept);
  });

  it('builds what a stranger proposes once it is approved, under the floor, and each push of it waits again', async () => {
    const url = await cluster.git.commit('open', { 'quorate.yaml': jobFile({ run: ['echo 1 > "$OUT/f"'] }) });
    const main = await head('open');
    const propose = async (text: string) => {
      // It asks for less than the charter does: one operator, and no co-signature.
      const weak = jobFile({ run: [`echo ${text} > "$OUT/f"`], agree: 1, of: 1 });
      await cluster.git.commit('open', { 'quorate.yaml': weak.replace('cosign: required', 'cosign: none') });
      const commit = await head('open');
      const folder = cluster.git.folder('open');
      await git(folder, 'update-ref', 'refs/pull/7/head', commit);
      await git(folder, 'reset', '--quiet', '--hard', main);
      return commit;
    };
    const pull = {
      number: 7,
      title: '<b>better</b>',
      user: { login: 'mallory' },
      labels: [],
      base: { ref: 'main' },
    };
    const forge = await startForge(({ method }) => ({ body: method === 'GET' ? [pull] : {} }));
    await writeFile(join(cluster.home('owner'), 'webhook.secret'), 'hook-secret', { mode: 0o600 });
    await configure(
      { url, forge, poll: '1h', forgeMore: ['webhook-secret-file = "webhook.secret"'] },
      ...['[http]', 'listen = "127.0.0.1:0"', '[pull-requests]', 'label = "ok"'],
      ...rule,
    );
    const watcher = startWatcher();
    const { http } = await watcher.event('watching');
    await watcher.event('looked');
    const hook = (body: string, secret = 'hook-secret') =>
      fetch(`${String(http)}/webhook`, {
        method: 'POST',
        headers: {
          'x-gitea-delivery': randomUUID(),
          'x-gitea-signature': createHmac('sha256', secret).update(body).digest('hex'),
        },
        body,
      });
    const commit = await propose('2');
    expect((await hook('{"forged": 1}', 'guessed')).status).toBe(403);
    expect((await hook('{"pushed": 1}')).status).toBe(202);
    // The same once more, as one who recorded it would send it.
    expect((await hook('{"pushed": 1}')).status).toBe(409);
    await watcher.event('pull');
    const approvals = await cluster.cli(['watch', 'approvals']);
    const [waiting] = approvals.lines[0] as unknown as { id: string; decision: null }[];
    expect(waiting).toMatchObject({ id: `7@${commit}`, author: 'mallory', decision: null });
    expect(watcher.all('published')).toEqual([]);
    const wrong = await cluster.cli(['watch', 'approve', `7@${main}`]);
    expect(wrong.error, wrong.report).toBe('WATCH_COMMIT_MISMATCH');

    await cluster.cli(['watch', 'approve', waiting?.id ?? '']);
    const [run] = (await watcher.event('published')).runs as { run: string }[];
    await toldBy(watcher, `${commit} quorate:pull`, 'success');
    const { lines } = await cluster.cli(['jobs']);
    expect((lines[0] as unknown as { run: string }[]).find((one) => one.run === run?.run)).toMatchObject({
      ref: 'refs/pull/7/head',
      level: 'trusted',
      policy: { agree: 2, of: 3, cosign: true },
    });
    expect(told(forge, commit, 'quorate:pull')[0]).toMatchObject({
      state: 'pending',
      description: 'waiting for the approval of a maintainer',
    });
    expect(forge.requests.some(({ path }) => path.includes(main))).toBe(false);

    const next = await propose('3');
    await hook('{"pushed": 2}');
    await toldBy(watcher, `${next} quorate:pull`, 'pending');
    expect(watcher.all('published')).toHaveLength(1);
    const badge = await (await fetch(`${String(http)}/badge.svg?ref=main`)).text();
    expect(badge).toContain('none');
    expect(badge).not.toContain('#1a7f37');
    await watcher.stop();
  });
});
