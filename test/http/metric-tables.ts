import { controllerMetrics } from '../../src/controller/node/metrics.ts';
import type { MetricTable } from '../../src/node/metrics.ts';
import { meshMetrics, processMetrics } from '../../src/node/node-metrics.ts';
import { storeMetrics } from '../../src/store-node/node/metrics.ts';
import { workerMetrics } from '../../src/worker/node/metrics.ts';

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

/** The page of all metrics. */
export function metricsPage(): string {
  const tables = Object.entries(metricTables).map(([name, table]) => `## ${name}\n\n${tableOf(table)}\n`);
  return `# Metrics\n\nBy the kind of process that has them ([operations](../../docs/operations.md#metrics-and-health)).\n\n${tables.join('\n')}`;
}
