import { controllerMetrics } from '../../src/controller/node/metrics.ts';
import type { MetricTable } from '../../src/node/metrics.ts';
import { meshMetrics, processMetrics } from '../../src/node/node-metrics.ts';
import { storeMetrics } from '../../src/store-node/node/metrics.ts';
import { workerMetrics } from '../../src/worker/node/metrics.ts';

/** The page that has the tables of metrics, each between two marks. */
export const metricsPage = 'docs/operations.md';

/** All metrics of ours, by the kind of process that has them. */
export const metricTables: Readonly<Record<string, MetricTable>> = {
  'every process': processMetrics,
  'nodes of the mesh': meshMetrics,
  controller: controllerMetrics,
  worker: workerMetrics,
  'artifact store': storeMetrics,
};

const labelsOf = (labels: Readonly<Record<string, readonly string[]>> = {}): string =>
  Object.entries(labels)
    .map(([name, values]) => `\`${name}\`: ${values.join(', ')}`)
    .join('; ');

function tableOf(table: MetricTable): string {
  const rows = Object.entries(table).map(
    ([name, { type, help, labels }]) => `| \`${name}\` | ${type} | ${labelsOf(labels)} | ${help} |`,
  );
  return ['| name | type | labels | |', '|---|---|---|---|', ...rows].join('\n');
}

/** The page with the tables as the code has them. */
export function withMetrics(page: string): string {
  return Object.entries(metricTables).reduce((text, [name, table]) => {
    const [begin, end] = [`<!-- metrics: ${name} -->`, '<!-- end of metrics -->'];
    const from = text.indexOf(begin);
    const to = text.indexOf(end, from);
    if (from === -1 || to === -1) throw new Error(`${metricsPage} has no place for the metrics of: ${name}`);
    return `${text.slice(0, from + begin.length)}\n${tableOf(table)}\n${text.slice(to)}`;
  }, page);
}
