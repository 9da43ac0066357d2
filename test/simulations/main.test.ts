import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { aboutSeed, hasPipeline } from '../../simulations/simulate.ts';

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['simulations/main.ts', ...args], {
    encoding: 'utf8',
    timeout: 280_000,
  });
  return { status, lines: stdout.split('\n').slice(0, -1), stderr };
}

describe('npm run simulate', { timeout: 300_000 }, () => {
  it('says first which seeds, which commit and what goes wrong how often', () => {
    const { status, lines } = run('faults', '--seeds', '2', '--from', '7');
    expect(status).toBe(0);
    expect(lines[0]).toMatch(/^seeds 7 to 8, each run twice; commit \S+$/);
    expect(lines[1]).toBe(`seed 7: ${aboutSeed(7)[0]}`);
    expect(lines.at(-1)).toBe('2 seed(s): every invariant holds');
  });

  it('runs seeds with pipelines alone', () => {
    const { status, lines } = run('faults', '--pipelines', '--seeds', '2', '--from', '1');
    expect(status).toBe(0);
    const [one, two] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter(hasPipeline);
    const seeds = lines.slice(1, -1).map((line) => Number(/^seed (\d+)/.exec(line)?.[1]));
    expect([...new Set(seeds)]).toEqual([one, two]);
  });

  it('writes out one seed whole, the same each time', () => {
    const one = run('faults', '--seed', '3');
    expect(one.lines.length).toBeGreaterThan(30);
    // The first line names the commit, which may be another by now.
    expect(run('faults', '--seed', '3').lines.slice(1)).toEqual(one.lines.slice(1));
  });

  it('ends with 1 and the command to see it again when an invariant does not hold', () => {
    const { status, lines } = run('faults', '--seed', '1', '--bug', 'reveal-early');
    expect(status).toBe(1);
    expect(lines.at(-1)).toBe('Again: npm run simulate -- faults --seed 1 --bug reveal-early');
  });

  it.each([
    [[]],
    [['storms']],
    [['faults', '--bug', 'none-such']],
    [['faults', '--seeds', 'many']],
    [['faults', '--speed']],
  ])('ends with 2 and its usage for %j', (args) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stderr).toContain('usage: npm run simulate');
  });
});
