import { execFileSync, spawnSync } from 'node:child_process';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { Meters } from '../../src/node/metrics.ts';
import { metricTables } from './metric-tables.ts';

it.each(Object.entries(metricTables))(
  'promtool has nothing to say against the metrics of: %s',
  async (_, table) => {
    const registry = new Registry();
    new Meters(registry, table).begin();
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await registry.metrics(),
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  },
);

it('promtool takes the rules for alerts and the configuration of the docs', () => {
  const check = (...args: string[]) =>
    execFileSync('promtool', ['check', ...args], { encoding: 'utf8', timeout: 60_000 });
  expect(check('rules', 'docs/monitoring/alerts.yml')).toContain('SUCCESS');
  expect(check('config', '--syntax-only', 'docs/monitoring/prometheus.yml')).toContain('SUCCESS');
});
