import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada'], slotWait: '2s' });
});

describe('quorate try with --input', () => {
  it('brings an artifact nobody trusts into the sandbox, says what it is worth, and leaves nothing of it', async () => {
    const made = jobFile({ run: ['echo from the mesh > "$OUT/x"'] });
    const run = await cluster.submit(await cluster.git.commit('made', { 'quorate.yaml': made }));
    const { code } = await run.end();
    expect(code, run.report()).toBe(1);
    // One honest operator alone never amounts to agreement.
    expect(run.all('delivered')).toMatchObject([{ operator: 'ada' }]);
    expect(run.all('unfilled')).toMatchObject([{ slots: 2 }]);
    expect(run.lines.at(-1)).toMatchObject({
      event: 'verdict',
      level: 'unfinished',
      reason: 'too-few',
      account: { state: 'unfinished', over: true, alarm: false },
    });
    const [revealed] = run.all('revealed') as { results?: { result: string }[] }[];
    const artifact = String(revealed?.results?.[0]?.result);
    expect(artifact).toMatch(/^bafy/);
    expect((await cluster.fetch(artifact, 'alone')).code).not.toBe(0);

    const text = jobFile({ run: ['cp /build/in/lib/x "$OUT/y"; cat "$OUT/y"'] });
    await writeFile(join(cluster.projectDir, 'quorate.yaml'), text);
    vi.stubEnv('TMPDIR', join(cluster.dir, 'tmp'));
    onTestFinished(() => void vi.unstubAllEnvs());
    const tried = await cluster.cli(['try', '--input', `lib=${artifact}`]);
    expect(tried.code, tried.report).toBe(0);
    const input = tried.lines.find(({ event }) => event === 'input');
    expect(input).toMatchObject({ name: 'lib', cid: artifact, from: 'mesh' });
    expect(['none', 'provisional']).toContain(input?.level);
    expect(tried.lines).toContainEqual({ event: 'output', line: 'from the mesh' });
    expect((await readdir(join(cluster.dir, 'tmp'))).filter((name) => name.includes('try'))).toEqual([]);

    const unknown = `bafybei${'a'.repeat(52)}`;
    const missing = await cluster.cli(['try', '--input', `lib=${unknown}`]);
    expect(missing.code, missing.report).toBe(3);
    expect(missing.error).toMatch(/^(ARTIFACT_NOT_FOUND|TRANSFER_FAILED)$/);
  });

  it('takes one from a store of this machine that nobody uses', async () => {
    const made = await cluster.submit(
      await cluster.git.commit('kept', { 'quorate.yaml': jobFile({ run: ['echo kept > "$OUT/x"'] }) }),
    );
    await made.end();
    const [revealed] = made.all('revealed') as { results?: { result: string }[] }[];
    const artifact = String(revealed?.results?.[0]?.result);
    await cluster.worker('ada').stop();
    const answer = await cluster.cli(['try', cluster.projectDir, '--input', `lib=${artifact}`], {
      home: 'ada',
      cwd: cluster.dir,
    });
    expect(answer.lines.find(({ event }) => event === 'input')).toMatchObject({
      from: 'store',
      level: 'none',
    });
  });
});
