import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Version } from '@cyclonedx/cyclonedx-library/Spec';
import { JsonStrictValidator } from '@cyclonedx/cyclonedx-library/Validation';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openClient } from '../../src/member/client.ts';
import { fetchTrees } from '../../src/member/dependencies.ts';
import { type PlannedJob, prepare } from '../../src/member/submit.ts';
import { openMesh } from '../../src/mesh/index.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { decodeBundle, type Receipt } from '../../src/protocol/documents/index.ts';
import type { Bom } from '../../src/protocol/interop/index.ts';
import { npmProject, registry } from '../dependencies/registry.ts';
import { hex, npmPackage, sri } from '../dependencies/tools/support.ts';
import { payloadOf } from '../support/project.ts';
import { changing } from './support/changing.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Line } from './support/told.ts';
import { deadlineMs } from './support/wait.ts';

let cluster: LocalCluster;
/** The bytes that change on their way to cleo. */
let changed: Uint8Array = Buffer.of();

const job = jobFile({
  run: ['npm ci', `node -p "require('one') + ', ' + require('two')" > "$OUT/said"`],
  memory: '1GiB',
  disk: '256MiB',
}).replace('    image: host\n', '    image: host\n    dependencies: [package-lock.json]\n');

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben'], trusted: true });
  const cleo = await cluster.work('cleo', await cluster.ticket('cleo'), {
    openMesh: async (options) => changing(await openMesh(options), () => changed),
  });
  await cleo.event('connected');
});

interface Revealed {
  results: { operator: string; result: string }[];
}

describe('a job with dependencies', () => {
  it('is built by all from what its lock file names, which its publisher alone fetched, once', async () => {
    const [one, two] = [await npmPackage('one', '1.0.0'), await npmPackage('two', '1.0.0')];
    const { url, asked } = await registry({ '/one/-/one-1.0.0.tgz': one, '/two/-/two-1.0.0.tgz': two });
    const files = npmProject(url, { one: sri('sha512', one), two: sri('sha512', two) });
    // Further processes of the publisher's home, with the same key.
    const others = await Promise.all(
      [0, 1].map(async (n) => {
        const other = cluster.start(`quorate on ${n}`, [
          'on',
          'disputed',
          '--name',
          `other-${n}`,
          '--',
          'true',
        ]);
        await other.event('following');
        return other;
      }),
    );
    // It looks at a repository that is not the one that is published.
    const watched = await cluster.git.commit('watched', { 'quorate.yaml': job, ...files });
    await writeFile(
      join(cluster.home('owner'), 'watch.toml'),
      `[repository]\nurl = "${watched}"\n[[rule]]\nname = "none"\nbranches = ["none"]\n`,
    );
    const watcher = cluster.start('quorate watch', ['watch']);
    await watcher.event('looked');
    const run = await cluster.submit(await cluster.git.commit('tool', { 'quorate.yaml': job, ...files }));
    const { code } = await run.end();
    expect(code, run.report()).toBe(0);
    for (const other of [...others, watcher]) await other.stop();
    expect(run.all('dependencies')).toMatchObject([{ files: 2, fetchedBytes: one.length + two.length }]);
    const verdict = run.lines.at(-1);
    expect(verdict).toMatchObject({ event: 'verdict', level: 'trusted' });
    expect(asked.toSorted()).toEqual(['/one/-/one-1.0.0.tgz', '/two/-/two-1.0.0.tgz']);
    const [bundle, index] = [join(cluster.dir, 'tool.bundle'), join(cluster.dir, 'tool.index')];
    const kept = ['--bundle-out', bundle, '--index-out', index];
    const fetched = await cluster.fetch(String(verdict?.artifact), 'tool', ...kept);
    expect(fetched.code, fetched.report).toBe(0);
    expect(await cluster.readText('fetched', 'tool', 'said')).toBe('one 1.0.0, two 1.0.0\n');

    // Its materials, from the network and from what was kept: the same bytes.
    const online = await cluster.cli(['sbom', String(verdict?.artifact)]);
    const place = { home: 'stranger', cwd: cluster.dir };
    const offline = ['sbom', bundle, '--index', index, '--project', cluster.project];
    const alone = await cluster.cli(offline, place);
    expect([online.code, alone.code], online.report + alone.report).toEqual([0, 0]);
    expect(alone.lines).toEqual(online.lines);
    const [bom] = online.lines as unknown as [Bom];
    expect(await new JsonStrictValidator(Version.v1dot6).validate(JSON.stringify(bom))).toBeNull();
    expect(bom.metadata.component.properties).toContainEqual({ name: 'quorate:level', value: 'trusted' });
    expect(bom.components.map(({ purl, hashes = [] }) => [purl, hashes[0]?.content])).toEqual([
      ['pkg:npm/one@1.0.0', hex('sha256', one)],
      ['pkg:npm/two@1.0.0', hex('sha256', two)],
    ]);
    const said = decodeBundle(await readFile(bundle, 'utf8')).receipts.map(({ envelope }) =>
      payloadOf(envelope),
    );
    for (const { predicate } of said as Receipt[])
      expect(predicate.buildDefinition.resolvedDependencies).toMatchObject([
        { uri: expect.stringMatching(/^git\+/) },
        { name: 'dependencies', uri: expect.stringMatching(/^ipfs:/) },
      ]);
    const unknown = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';
    expect((await cluster.cli(['sbom', unknown])).error).toBe('ARTIFACT_NOT_FOUND');
    const bytes = await readFile(index);
    await writeFile(index, bytes.with(bytes.length - 10, (bytes.at(-10) ?? 0) ^ 1));
    expect((await cluster.cli(offline, place)).error).toBe('DEPENDENCY_INDEX_MISMATCH');
    expect((await cluster.cli(['sbom', bundle, '--project', cluster.project], place)).error).toBe(
      'DEPENDENCY_INDEX_MISSING',
    );
  });

  it('of which one byte changed on its way to one worker is not built there, which says which', async () => {
    const [one, two] = [await npmPackage('one', '1.0.0'), await npmPackage('two', '1.0.0', { two: true })];
    changed = two;
    const { url } = await registry({ '/one/-/one-1.0.0.tgz': one, '/two/-/two-1.0.0.tgz': two });
    const files = npmProject(url, { one: sri('sha512', one), two: sri('sha512', two) });
    const run = await cluster.submit(await cluster.git.commit('other', { 'quorate.yaml': job, ...files }));
    const { code } = await run.end();
    expect(code, run.report()).toBe(0);
    expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted' });
    const [revealed] = run.all('revealed') as (Line & Revealed)[];
    const by = (name: string) => revealed?.results.find(({ operator }) => operator === name)?.result;
    expect(by('cleo')).toMatch(
      /^aborted: source: DEPENDENCIES_MISMATCH: two-1\.0\.0\.tgz of pkg:npm\/two@1\.0\.0 was sent with other bytes/,
    );
    expect(by('ada')).toBe(by('ben'));
  });

  it('is built by nobody whose publisher brings what other lock files demand', async () => {
    changed = Buffer.of();
    const [one, evil] = [await npmPackage('one', '1.0.0'), await npmPackage('one', '1.0.0', { evil: true })];
    const { url } = await registry({ '/one/-/one-1.0.0.tgz': evil });
    const lock = npmProject(url, { one: sri('sha512', one) });
    const other = npmProject(url, { one: sri('sha512', evil) })['package-lock.json'] ?? '';
    const repo = await cluster.git.commit('lying', { 'quorate.yaml': job, ...lock });
    const signal = AbortSignal.timeout(deadlineMs);
    const home = openHome(cluster.home('owner'));
    const { jobs, ...prepared } = await prepare({ url: repo, ref: 'HEAD', signal });
    const [{ job: spec }] = jobs as [PlannedJob];
    const fetched = await fetchTrees([spec], new Map([['package-lock.json', Buffer.from(other)]]), {
      home: cluster.home('owner'),
      env: process.env,
      allowPrivate: false,
      signal,
      onProgress: () => {},
    });
    const client = await openClient({ home, membership: await home.membership(), signal });
    onTestFinished(async () => {
      await client.close();
      await fetched.close();
    });
    for (const tree of fetched.trees) await client.bring(fetched.store, tree, () => {});
    const { run } = await client.submit({
      repo: { url: repo, ref: prepared.ref },
      commit: prepared.commit,
      tree: prepared.tree,
      job: spec,
      dependencies: fetched.of(spec),
      policy: { ...spec.trust, rounds: 1 },
      expiresSeconds: 600,
    });
    const results: string[] = [];
    let level: string | undefined;
    for await (const { progress } of client.follow(run, signal)) {
      if (progress.kind === 'revealed') results.push(...progress.results.map(({ result }) => result));
      if (progress.kind === 'verdict') level = progress.level;
    }
    expect(level).toBe('unfinished');
    expect(results).toHaveLength(3);
    for (const result of results)
      expect(result).toMatch(
        /^aborted: source: DEPENDENCIES_MISMATCH: the index of dependencies was made from another "package-lock.json"/,
      );
  });

  it('is published with what takes credentials only where that is said', async () => {
    const one = await npmPackage('one', '1.0.0', { private: true });
    const { url } = await registry({ '/one/-/one-1.0.0.tgz': one }, 'secret');
    const npmrc = join(cluster.dir, 'npmrc');
    await writeFile(npmrc, `${url.slice('http:'.length)}/:_authToken=secret\n`);
    vi.stubEnv('npm_config_userconfig', npmrc);
    const files = npmProject(url, { one: sri('sha512', one) });
    const at = await cluster.git.commit('private', { 'quorate.yaml': job, ...files });
    for (const more of [[], ['--private'], []]) {
      const run = await cluster.cli(['run', at, '--until', 'agreed', ...more]);
      if (more.length > 0) expect(run.lines.map(({ event }) => event)).toContain('submitted');
      else expect(run.error, run.report).toBe('DEPENDENCIES_PRIVATE');
    }
  });

  it('is taken by a controller that was started anew, with what it was brought before', async () => {
    changed = Buffer.of();
    const one = await npmPackage('one', '1.0.0', { restart: true });
    const two = await npmPackage('two', '1.0.0');
    const { url } = await registry({ '/one/-/one-1.0.0.tgz': one, '/two/-/two-1.0.0.tgz': two });
    const files = npmProject(url, { one: sri('sha512', one), two: sri('sha512', two) });
    const at = await cluster.git.commit('again', { 'quorate.yaml': job, ...files });
    const first = await cluster.submit(at);
    expect((await first.end()).code, first.report()).toBe(0);
    expect(cluster.control.all('dependencies')).toHaveLength(5);
    await cluster.control.stop();
    await cluster.startController();
    const second = await cluster.submit(at, '--rebuild');
    expect((await second.end()).code, second.report()).toBe(0);
    expect(cluster.control.all('dependencies')).toEqual([]);
  });
});
