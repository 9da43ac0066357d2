import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada'], tamper: ['mal', 'moe'], trusted: true });
});

interface Revealed {
  results: { operator: string; result: string }[];
}

describe('two of three operators who tamper alike', () => {
  it('reach agreement, never trust: the trusted worker contradicts them', async () => {
    const run = await cluster.submit(await cluster.git.commit('tool', program('good')));
    const { code } = await run.end();
    expect(code, run.report()).toBe(1);
    expect(run.lines.at(-1)).toMatchObject({
      event: 'verdict',
      level: 'disputed',
      reason: 'contradicted',
      account: { state: 'disputed', alarm: true },
    });
    expect(run.all('round').length).toBe(1);

    // The trusted worker may have built before the round ended: then it is contradicted at once.
    const [contradicted] = run.all('contradicted');
    const tampered = String(contradicted?.artifact);
    const [revealed] = run.all('revealed') as unknown as Revealed[];
    const by = (name: string) => revealed?.results.find(({ operator }) => operator === name)?.result;
    expect([by('mal'), by('moe')]).toEqual([tampered, tampered]);
    expect(by('ada')).not.toBe(tampered);

    const refused = async (cid: string | undefined, folder: string) => {
      const fetched = await cluster.fetch(String(cid), folder);
      expect(fetched.code, fetched.report).not.toBe(0);
      expect(['NOT_TRUSTED', 'ARTIFACT_NOT_FOUND']).toContain(fetched.error);
      expect(existsSync(cluster.fetched(folder))).toBe(false);
    };
    await Promise.all([refused(tampered, 'tampered'), refused(by('ada'), 'outvoted')]);

    const [compared] = run.all('compared') as unknown as Revealed[];
    const told = compared?.results.map(({ operator, result }) => [operator, result]);
    expect(told).toEqual(
      expect.arrayContaining([
        ['mal', tampered],
        ['ada', by('ada')],
        ['tower', by('ada')],
      ]),
    );
    // It was told with the end of the run, once. The list marks it until somebody has looked.
    const jobs = await cluster.cli(['jobs']);
    expect(jobs.stderr).not.toContain('ALARM');
    expect(JSON.stringify(jobs.lines)).toMatch(/"alarm":true/);

    const dispute = cluster.inside('diff', ['diff', '--no-diffoscope', run.run.slice(0, 10)], {
      plain: true,
    });
    expect((await dispute.end()).code, dispute.report()).toBe(1);
    expect(dispute.text).toMatch(/^ {2}a {2}\S+ {2}\w+, round 1\s+namespace, /m);
    expect(dispute.text).toContain('tower (trusted worker), round 1');
    expect(dispute.text).toContain('Files that differ: bin/say');
    expect(dispute.text).toContain('The logs of a and b are alike.');
    expect(dispute.text).toMatch(/^changed bin\/say: .*bytes differ from offset 20 on$/m);
    expect(JSON.stringify((await cluster.cli(['jobs'])).lines)).not.toMatch(/"alarm":true/);

    const shown = cluster.inside('show', ['show', run.run], { plain: true });
    expect((await shown.end()).code, shown.report()).toBe(0);
    const [, ...pair] = /^Compare them: quorate diff (\w+) (\w+)$/m.exec(shown.text) ?? [];
    expect(pair).toEqual([tampered, by('ada')]);
    // The controller and its workers use their stores: both come from the mesh.
    const diff = cluster.inside('diff', ['diff', '--no-diffoscope', ...pair]);
    expect((await diff.end()).code, diff.report()).toBe(1);
    expect(diff.all('sides')).toMatchObject([{ a: { from: 'mesh' }, b: { from: 'mesh' } }]);
    expect(diff.all('difference')).toMatchObject([
      { path: 'bin/say', change: 'changed', first: { offset: 20 } },
    ]);
  });

  it('are asked no more: three fresh operators decide, with the trusted worker', async () => {
    await cluster.worker('tower').stop();
    const run = await cluster.submit(await cluster.git.commit('tool', program('better')));
    const early = await run.event('agreed');
    expect((early.by as string[]).toSorted()).toEqual(['mal', 'moe']);
    await run.event('verdict', { where: ({ level }) => level === 'agreed' });
    const refused = await cluster.fetch(String(early.artifact), 'agreed');
    expect([refused.code, refused.error], refused.report).toEqual([1, 'NOT_TRUSTED']);

    await Promise.all(['ben', 'cleo', 'dan'].map((name) => cluster.volunteer(name)));
    await cluster.join('tower');
    const { code } = await run.end();
    expect(code, run.report()).toBe(4);
    expect(run.stderr).toContain('ALARM: the trusted worker contradicts what operators had agreed on.');
    const verdict = run.lines.at(-1);
    expect(verdict).toMatchObject({ event: 'verdict', level: 'trusted' });
    expect(verdict?.artifact).not.toBe(early.artifact);
    const contradicted = { round: 1, artifact: early.artifact };
    expect(run.all('contradicted')).toMatchObject([
      { ...contradicted, verified: false },
      { ...contradicted, verified: true },
    ]);
    const second = run.all('leased').filter(({ round, slot }) => round === 2 && slot !== 'trusted');
    expect(second.map(({ operator }) => operator).toSorted()).toEqual(['ben', 'cleo', 'dan']);

    const [fetched, tampered] = await Promise.all([
      cluster.fetch(String(verdict?.artifact), 'better'),
      cluster.fetch(String(early.artifact), 'revoked'),
    ]);
    expect(fetched.code, fetched.report).toBe(0);
    expect(await cluster.readText('fetched', 'better', 'bin', 'say')).toBe('#!/bin/sh\necho better\n');
    expect(tampered.code, tampered.report).not.toBe(0);
    expect(existsSync(cluster.fetched('revoked'))).toBe(false);
  });
});
