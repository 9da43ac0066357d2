import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { Meters } from '../../src/node/metrics.ts';

const table = {
  t_total: { type: 'counter', help: 'Counted.', labels: { level: ['low', 'high'] } },
  t_kept_total: { type: 'counter', help: 'Kept elsewhere.' },
  t_open: { type: 'gauge', help: 'Open.', labels: { kind: ['a', 'b'] } },
  t_seconds: { type: 'histogram', help: 'Time.', buckets: [1, 2] },
} as const;

async function linesOf(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('metrics of a table', () => {
  it('begin as zero, for each value of a label', async () => {
    const registry = new Registry();
    new Meters(registry, table).begin();
    const lines = await linesOf(registry);
    expect(lines).toContain('t_total{level="low"} 0');
    expect(lines).toContain('t_total{level="high"} 0');
    expect(lines).toContain('t_kept_total 0');
  });

  it('have only the label values of their table: what somebody else chooses is `other`', async () => {
    const registry = new Registry();
    const meters = new Meters(registry, table);
    for (let n = 0; n < 100; n++) meters.add('t_total', { level: `by a stranger ${n}`, more: 'x' });
    meters.add('t_total', { level: 'low' });
    expect(await linesOf(registry)).toEqual(['t_total{level="other"} 100', 't_total{level="low"} 1']);
  });

  it('are read when they are asked for: totals that are kept elsewhere are not added twice', async () => {
    const registry = new Registry();
    const meters = new Meters(registry, table);
    let total = 0;
    meters.read('t_kept_total', () => ++total);
    meters.read('t_open', () => [
      [{ kind: 'a' }, 3],
      [{ kind: 'b' }, total],
    ]);
    await registry.metrics();
    expect(await linesOf(registry)).toEqual(['t_kept_total 2', 't_open{kind="a"} 3', 't_open{kind="b"} 2']);
  });

  it('are used as their table says', () => {
    const meters = new Meters(new Registry(), table);
    expect(() => meters.add('t_open')).toThrow('only a counter is added to');
    expect(() => meters.observe('t_total', 1)).toThrow('only a histogram observes');
    expect(() => meters.add('t_unknown' as never)).toThrow('t_unknown is in the table');
  });

  it('observe into the buckets of their table', async () => {
    const registry = new Registry();
    new Meters(registry, table).observe('t_seconds', 1.5);
    expect(await linesOf(registry)).toContain('t_seconds_bucket{le="2"} 1');
    expect(await linesOf(registry)).toContain('t_seconds_bucket{le="1"} 0');
  });
});
