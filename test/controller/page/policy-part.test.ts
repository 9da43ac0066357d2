import { describe, expect, it } from 'vitest';
import { projectView } from '../../../src/controller/node/project-view.ts';
import type { Charter, Policy } from '../../../src/protocol/documents/index.ts';
import { Bench } from '../machine/bench.ts';
import { siteOf } from './support.ts';

const floor: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 8 };
const names = Array.from({ length: 12 }, (_, n) => `operator-${n}`);

async function projectWith(charter: Partial<Charter>, operators: readonly string[] = names): Promise<Bench> {
  const bench = new Bench();
  await bench.start(charter);
  await bench.members(...operators);
  return bench;
}

const cellsOf = (text: string) =>
  [...text.matchAll(/<tr><th scope="row">([^<]*)<\/th>((?:<td class="number">[^<]*<\/td>)+)<\/tr>/g)].map(
    ([, head = '', cells = '']) => [head, ...[...cells.matchAll(/>([^<]+)</g)].map(([, cell]) => cell)],
  );

describe('the policy of a project, by figures', () => {
  it('is shown of its floors at several shares, with the number of operators as the controller says', async () => {
    const bench = await projectWith({ floor, testFloor: { ...floor, cosign: 'none' } });
    const { text } = await (await siteOf(bench)).get('/');
    expect(text).toMatch(/<strong>12 operators<\/strong>.* is the controller's word/);
    expect(text).toContain('Jobs other than tests need at least 2 of 3 operators and the trusted worker');
    expect(text).toContain(
      'Tests need at least 2 of 3 operators, without a co-signature, in 8 rounds at most',
    );
    expect(cellsOf(text)).toEqual([
      ['10% (2)', '4.5%', '0', '100%', '0', '4.1'],
      ['20% (3)', '13%', '0', '100%', '0', '4.4'],
      ['33% (4)', '24%', '0', '100%', '0', '4.8'],
      ['50% (6)', '50%', '0', '100%', '0', '6.1'],
      ['10% (2)', '4.5%', '4.5%', '100%', '4.5%', '3.1'],
      ['20% (3)', '13%', '13%', '96%', '13%', '3.4'],
      ['33% (4)', '24%', '24%', '92%', '24%', '3.9'],
      ['50% (6)', '50%', '50%', '82%', '50%', '6.0'],
    ]);
  });

  it('is one table where tests have the same floor, and none without operators', async () => {
    const one = await (await siteOf(await projectWith({ floor }))).get('/');
    expect(cellsOf(one.text)).toHaveLength(4);
    expect(one.text).toContain('All jobs need at least 2 of 3');
    const none = await (await siteOf(await projectWith({ floor }, []))).get('/');
    expect(none.text).toContain('<section data-part id="policy"></section>');
  });

  it('is computed once for a number of operators and a charter', async () => {
    const bench = await projectWith({ floor });
    const { state } = bench.controller;
    const ports = { addresses: () => [], equivocations: () => [] };
    const view = projectView({ project: 'p', name: 'demo', state, ...ports });
    const first = view.policy();
    expect(first).toMatchObject({ operators: 12, floors: [{ of: 'jobs' }] });
    expect(view.policy()).toBe(first);
    await bench.revoke({ kind: 'operator', id: 'operator-3' });
    expect(view.policy()).toMatchObject({ operators: 11 });
    const tighter = { ...floor, agree: 3, of: 5 };
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, floor: tighter }) });
    expect(view.policy()).toMatchObject({ floors: [{ policy: { agree: 3, of: 5 } }] });
  });
});
