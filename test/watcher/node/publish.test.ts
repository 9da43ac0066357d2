import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Client } from '../../../src/member/client.ts';
import type { SubmitOptions } from '../../../src/member/submit.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import type { PublishOrder } from '../../../src/watcher/machine/events.ts';
import { publishOrder } from '../../../src/watcher/node/publish.ts';
import { WatchedRepository } from '../../../src/watcher/node/repository.ts';
import { npmProject } from '../../dependencies/registry.ts';
import { commitAll, folder, git, repo, serve } from '../../source/support.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { makeCharter, project } from '../../support/project.ts';

const file = `
jobs:
  build: {run: [make], trust: {agree: 3, of: 3}}
  check: {kind: test, run: [make test], trust: {agree: 3, of: 3}}
  pack: {run: [make pack], needs: [build, check], trust: {agree: 3, of: 3}}
  docs: {run: [./docs.sh], trust: {agree: 3, of: 3}, if: {changed: ['docs/**']}}
`;

async function served(jobFile = file, more: Record<string, string> = {}) {
  const dir = await repo();
  const put = async (path: string, text: string) => {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), text);
    return commitAll(dir);
  };
  await put('docs/a', '1');
  for (const [path, text] of Object.entries(more)) await put(path, text);
  const first = await put('quorate.yaml', jobFile);
  const second = await put('src/a', '1');
  git(dir, 'tag', '-a', '-m', 'x', 'v1');
  const url = await serve(dir);
  const home = await folder();
  const submitted: SubmitOptions[] = [];
  const brought: string[] = [];
  const client = {
    project,
    charter: makeCharter(),
    bring: async (_: unknown, root: string) => {
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      brought.push(root);
    },
    submit: async (options: SubmitOptions) => {
      submitted.push({ ...options, ...(brought.length > 0 && { brought: [...brought] }) });
      return { run: `run of ${options.job.name}`, job: 'j' };
    },
  } as unknown as Client;
  const publish = (order: Partial<PublishOrder>, confine?: WatchedRepository['confine']) => {
    submitted.length = 0;
    return publishOrder(
      client,
      {
        id: 'p',
        at: 1_800_000_000_999,
        ref: 'refs/heads/main',
        commit: second,
        object: second,
        base: null,
        paths: [],
        job: null,
        rebuild: false,
        floor: false,
        ...order,
      },
      {
        repository: { url, confine } as never,
        home,
        env: {},
        signal: AbortSignal.timeout(300_000),
      },
    );
  };
  return { url, first, second, submitted, publish, tag: git(dir, 'rev-parse', 'v1') };
}

describe('an order of a watcher', () => {
  it('publishes all jobs of a commit, each after those it needs, as the same requests each time', async () => {
    const { url, second, submitted, publish } = await served();
    const all = ['build', 'check', 'docs', 'pack'].map((name) => ({ name, run: `run of ${name}` }));
    const outcome = await publish({});
    expect(outcome).toEqual({ kind: 'published', runs: expect.arrayContaining(all) });
    const before = [...submitted];
    expect(before).toHaveLength(4);
    for (const one of before)
      expect(one).toMatchObject({
        repo: { url, ref: 'refs/heads/main' },
        commit: second,
        rebuild: false,
        dependencies: undefined,
        expiresSeconds: 24 * 3600,
        stamp: { iat: 1_800_000_000 },
        policy: { agree: 3, of: 3 },
      });
    const named = (name: string) => before.find(({ job }) => job.name === name);
    expect(named('pack')?.needs).toEqual({
      build: { request: 'run of build', level: expect.any(String) },
      check: { request: 'run of check', level: expect.any(String), gate: true },
    });
    for (const name of ['build', 'check', 'docs']) expect(named(name)).toMatchObject({ needs: undefined });
    expect(before.flatMap((one) => ('tag' in one ? [one] : []))).toEqual([]);
    expect(new Set(before.map(({ stamp }) => stamp?.jti)).size).toBe(4);
    await publish({});
    expect(submitted).toEqual(before);
    await publish({ id: 'q' });
    const ids = new Set(before.map(({ stamp }) => stamp?.jti));
    expect(submitted.filter(({ stamp }) => ids.has(stamp?.jti ?? ''))).toEqual([]);
  });

  it('names its push, and subject and author of the commit where the rules say so', async () => {
    const { submitted, publish } = await served();
    const wordsOf = async (order: Partial<PublishOrder>) => {
      await publish(order);
      const [first, ...others] = submitted.map(({ words }) => words);
      expect(others).toEqual(Array(3).fill(first));
      return first;
    };
    const all = await wordsOf({ words: { subject: true } });
    expect(all).toEqual({ push: expect.stringMatching(/^[\w-]{43}$/), subject: 'change', author: 'a' });
    expect(await wordsOf({ words: { subject: true } })).toEqual(all);
    expect(await wordsOf({ words: { subject: false } })).toEqual({ push: all?.push });
    expect((await wordsOf({ id: 'q', words: { subject: false } }))?.push).not.toBe(all?.push);
    // An order from before pushes were named comes to the requests of before.
    expect(await wordsOf({})).toBeUndefined();
  });

  it('publishes one job with what it needs, anew, under the floor, of a tag', async () => {
    const { submitted, publish, tag } = await served();
    await publish({ ref: 'refs/tags/v1', object: tag, job: 'pack', rebuild: true, floor: true });
    expect(submitted.map(({ job }) => job.name).sort()).toEqual(['build', 'check', 'pack']);
    for (const one of submitted)
      expect(one).toMatchObject({ rebuild: true, tag: { name: 'v1', object: tag }, policy: { agree: 2 } });
  });

  it('publishes nothing where no path of its rule, or of its jobs, has changed', async () => {
    const { first, second, submitted, publish } = await served();
    expect(await publish({ base: first, paths: ['docs/**'] })).toMatchObject({
      kind: 'unaffected',
      says: 'no path that the rule names has changed',
    });
    expect(await publish({ base: first, job: 'docs' })).toMatchObject({
      kind: 'unaffected',
      says: expect.stringMatching(/^docs: ./),
    });
    expect(submitted).toEqual([]);
    const names = async (order: Partial<PublishOrder>) => {
      await publish(order);
      return submitted.map(({ job }) => job.name).sort();
    };
    expect(await names({ base: first, paths: ['src/**'] })).toEqual(['build', 'check', 'pack']);
    // A base that is the commit itself, or is not there, is none.
    for (const base of [second, 'f'.repeat(40)])
      expect(await names({ base, paths: ['x'] })).toEqual(['build', 'check', 'docs', 'pack']);
    await expect(publish({ commit: 'f'.repeat(40), base: first })).rejects.toMatchObject({
      code: 'SOURCE_COMMIT_NOT_FOUND',
    });
  });

  it('brings the dependencies of its jobs before a request names them', async () => {
    const { 'package-lock.json': lock = '' } = npmProject('https://registry.example', {});
    const wanting =
      'jobs:\n  build: {run: [make], dependencies: [package-lock.json]}\n  other: {run: [make]}\n';
    const { submitted, publish } = await served(wanting, { 'package-lock.json': lock });
    await publish({});
    const [build, other] = submitted;
    const { tree } = build?.dependencies ?? {};
    expect(build).toMatchObject({ brought: [tree], dependencies: { locks: ['package-lock.json'] } });
    expect([submitted.length, other?.dependencies]).toEqual([2, undefined]);
  });

  it('that fails otherwise than for its base is not tried without it', async () => {
    const { first, publish } = await served();
    let tries = 0;
    const confine = () => {
      tries++;
      throw new QuorateError('SANDBOX_UNAVAILABLE', 'no');
    };
    expect(await codeOf(() => publish({ base: first }, confine))).toBe('SANDBOX_UNAVAILABLE');
    expect(tries).toBe(1);
  });
});

it('a repository that is no address of a server is not looked at', async () => {
  for (const confined of [false, true]) {
    const repository = new WatchedRepository({
      url: await repo(),
      vcs: [],
      stateDir: '/no/folder',
      confined,
    });
    const refs = async () => repository.refs(['refs/heads/*'], AbortSignal.timeout(60_000));
    expect(await codeOf(refs)).toMatch(/^SOURCE_(URL|PROTOCOL)_/);
  }
});

it('git in its sandbox is opened with a hint, asked in it, explained and closed', async () => {
  const git = { closed: 0 };
  const scratches: string[] = [];
  const looked = (open: () => Promise<unknown>, url = 'https://127.0.0.1:9/tool') => {
    const repository = new WatchedRepository({
      url,
      vcs: [],
      stateDir: '/no/folder',
      confined: true,
      open: ((options: { scratch: string }) => {
        scratches.push(options.scratch);
        return open();
      }) as never,
    });
    return repository.refs(['refs/heads/*'], AbortSignal.timeout(60_000)).then(
      () => undefined,
      (error: QuorateError) => [error.code, error.message, error.hint ?? ''],
    );
  };
  const fails = (error: Error) => looked(() => Promise.reject(error));
  expect(await fails(new QuorateError('SANDBOX_UNAVAILABLE', 'no bwrap', { hint: 'x' }))).toEqual([
    ...['SANDBOX_UNAVAILABLE', 'no bwrap', expect.stringContaining('sandbox = false')],
  ]);
  expect(await fails(new QuorateError('EGRESS_UNAVAILABLE', 'no', { hint: 'x' }))).toEqual([
    ...['EGRESS_UNAVAILABLE', 'no', 'x'],
  ]);
  const other = Object.assign(new Error('no'), { code: 'SANDBOX_LIKE' });
  expect(await fails(other)).toEqual(['SANDBOX_LIKE', 'no', '']);
  const opened = {
    wrap: () => ['false'],
    explain: () => new QuorateError('EGRESS_ADDRESS_REFUSED', 'explained'),
    close: async () => void git.closed++,
  };
  expect(await looked(async () => opened)).toEqual(['EGRESS_ADDRESS_REFUSED', 'explained', '']);
  expect(git.closed).toBe(1);
  for (const scratch of scratches) await expect(access(scratch)).rejects.toMatchObject({ code: 'ENOENT' });
});
