import { describe, expect, it } from 'vitest';
import { openPlayed } from '../../../src/cli/up/played-project.ts';
import { quorate, repository } from '../../cli/support.ts';
import { repo } from '../../source/support.ts';

const policy = (...args: string[]) => quorate(['policy', ...args]);

describe('quorate policy', () => {
  it('shows policies side by side in 60 columns, and which to choose', async () => {
    const { code, out, err } = await policy('--operators', '12', '--suspect', '20%');
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n');
    expect(lines[0]).toBe('12 operators; 3 of them (20%, rounded up) are one party, against you.');
    const rows = lines.slice(2, lines.indexOf('', 2));
    expect(rows).toHaveLength(11);
    expect(Math.max(...rows.map(({ length }) => length))).toBeLessThanOrEqual(60);
    expect(rows).toContain('2/3         13%     13%      96%   13%      3.4     1');
    expect(rows).toContain('2/3+cosign  13%     0        100%  0        4.4     1');
    expect(out).toContain('- Where bytes are used: 2/3+cosign.');
    expect(out).toContain('4/7 does.');
    expect(out).toContain('Not in these figures');
  });

  it('leaves out policies that ask more operators than there are', async () => {
    const { out } = await policy('--operators', '4', '--cosign', 'none');
    expect(out.match(/^\d\/\d\S*/gm)).toEqual(['1/1', '2/2', '2/3']);
  });

  it('says of one policy what it holds against, at several shares', async () => {
    const { out } = await policy('--operators', '12', '--agree', '2', '--of', '3', '--cosign', 'none');
    expect(out).toContain('2 of 3 operators, without a co-signature, in 2 rounds at most');
    expect(out).toContain('gets the 2 votes that it needs in 13% of the jobs in which they try');
    expect(out.match(/^\d+% \(\d+\)/gm)).toEqual(['10% (2)', '20% (3)', '33% (4)', '50% (6)']);
  });

  it('answers in JSON', async () => {
    const { out } = await policy(
      '--operators',
      '12',
      '--suspect',
      '3',
      '--agree',
      '2',
      '--of',
      '3',
      '--json',
    );
    const answer = JSON.parse(out);
    expect(answer).toMatchObject({
      operators: 12,
      dishonest: 3,
      operatorsFrom: 'given',
      risk: 0.01,
      policies: [
        { from: ['given'], dishonestMax: 1, odds: { trusted: 0, agreed: expect.closeTo(28 / 220) } },
      ],
    });
    expect(answer.shares).toHaveLength(4);
  });

  it('shows the floors of the project here first', async () => {
    const cwd = repository();
    await quorate(['init', '--vcs', 'git.example.org', '--floor', '3/5+cosign'], { cwd });
    const unknown = await quorate(['policy'], { cwd });
    expect(unknown.err).toContain('say how many operators take part: no controller runs from this folder');
    const { out } = await quorate(['policy', '--operators', '12'], { cwd });
    const [, first, second] = out.split('\n').slice(2);
    expect(first).toMatch(/^3\/5\+cosign \* {2}/);
    expect(second).toMatch(/^2\/3 \+ {2}/);
    expect(out).toContain('agree/of, in up to 8 rounds');
    expect(out).toMatch(/^\* {9}the floor of this project$/m);
  });

  it('is about the project that quorate up plays here, where there is no other', async () => {
    const cwd = await repo();
    await openPlayed(cwd);
    const { err } = await quorate(['policy'], { cwd });
    expect(err).toContain('say how many operators take part: no controller runs from this folder');
  });

  it.each([
    [[], 'say how many operators take part: you are in no project'],
    [['--operators', '0'], 'from 1 to 100000'],
    [['--operators', '100001'], 'from 1 to 100000'],
    [['--operators', '12', '--suspect', '120%'], 'from 0% to 100%'],
    [['--operators', '12', '--suspect', 'some'], 'from 0% to 100%'],
    [['--operators', '12', '--suspect', '13'], '--suspect 13 is more than 12 operators'],
    [['--operators', '12', '--agree', '2'], 'given together'],
    [['--operators', '12', '--agree', '4', '--of', '3'], '4 of 3 operators cannot agree'],
    [['--operators', '12', '--agree', '2', '--of', '4'], 'twice 2 must exceed 4: else two groups'],
    [['--operators', '12', '--agree', '9', '--of', '17'], 'from 1 to 16'],
    [['--operators', '12', '--rounds', '9'], 'from 1 to 8'],
    [['--operators', '12', '--cosign', 'maybe'], 'required, none'],
    [['--operators', '12', '--risk', '101%'], 'from 0% to 100%'],
  ])('refuses %j', async (args, says) => {
    const { code, err } = await policy(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
    expect(err).toContain('error[CLI_USAGE]');
  });
});
