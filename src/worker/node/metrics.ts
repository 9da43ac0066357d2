import type { Registry } from 'prom-client';
import { tiers } from '../../../sandbox/index.ts';
import type { Mesh } from '../../mesh/index.ts';
import { Meters, type MetricTable } from '../../node/metrics.ts';
import { meterMesh } from '../../node/node-metrics.ts';
import type { Outcome } from '../../protocol/documents/index.ts';
import type { Store } from '../../store/index.ts';
import type { BuildResult } from '../machine/events.ts';
import type { OperatorStatus } from './operator.ts';

const states = ['working', 'paused', 'draining', 'waiting', 'cut off', 'refusing'] as const;
const ended = ['succeeded', 'failed'] as const;
const aborted = ['time', 'memory', 'disk', 'source', 'sandbox', 'outputs', 'operator'] as const;

export const workerMetrics = {
  quorate_builds_total: {
    type: 'counter',
    help: 'Builds that ended, by what became of them (`succeeded`: exit code 0; `failed`: another one; else the reason it was aborted for) and by the tier of their sandbox.',
    labels: { outcome: [...ended, ...aborted], tier: [...tiers, 'none'] },
  },
  quorate_build_duration_seconds: {
    type: 'histogram',
    help: 'Time of a build, with its checkout and the storing of what it put out.',
    labels: { tier: [...tiers, 'none'] },
    buckets: [1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200],
  },
  quorate_builds_running: { type: 'gauge', help: 'Builds that run, or are paused.' },
  quorate_leases: { type: 'gauge', help: 'Leases of rounds that have not ended.' },
  quorate_worker_state: {
    type: 'gauge',
    help: '1 for the state that the worker is in, 0 for the others (`quorate worker status`).',
    labels: { state: states },
  },
  quorate_worker_lent_cpus: { type: 'gauge', help: 'Processors that are lent.' },
  quorate_worker_lent_memory_bytes: { type: 'gauge', help: 'Memory that is lent.' },
  quorate_worker_lent_disk_bytes: { type: 'gauge', help: 'Disk that is lent to builds.' },
  quorate_worker_used_memory_bytes: { type: 'gauge', help: 'Memory that running builds use.' },
  quorate_worker_used_processor_seconds: {
    type: 'gauge',
    help: 'Processor time that the builds which run now have used.',
  },
  quorate_worker_host_load: {
    type: 'gauge',
    help: 'Processors that other programs keep busy, where a limit is set for them (pause-above-load).',
  },
  quorate_worker_damaged_trees: { type: 'gauge', help: 'Pinned trees that are not whole.' },
  quorate_store_bytes: { type: 'gauge', help: 'Bytes of the public blocks on disk.' },
  quorate_store_pins: { type: 'gauge', help: 'Trees that are pinned.' },
} as const satisfies MetricTable;

export interface WorkerMeters {
  /** A build ended; undefined when it was stopped from outside. */
  built(result: BuildResult | undefined, ms: number): void;
}

export function meterWorker(
  registry: Registry,
  { status, mesh, store }: { status: () => OperatorStatus; mesh: Mesh; store: Pick<Store, 'usage'> },
): WorkerMeters {
  meterMesh(registry, mesh);
  const meters = new Meters(registry, workerMetrics);
  meters.read('quorate_builds_running', () => status().builds.length);
  meters.read('quorate_leases', () => status().leases);
  meters.read('quorate_worker_state', () => {
    const { state } = status();
    return states.map((one) => [{ state: one }, one === state ? 1 : 0]);
  });
  meters.read('quorate_worker_lent_cpus', () => status().lending.cpus);
  meters.read('quorate_worker_lent_memory_bytes', () => status().lending.memoryBytes);
  meters.read('quorate_worker_lent_disk_bytes', () => status().lending.diskBytes);
  meters.read('quorate_worker_used_memory_bytes', () => status().using.memoryBytes);
  meters.read('quorate_worker_used_processor_seconds', () => status().using.processorSeconds);
  meters.read('quorate_worker_host_load', () => status().hostLoad ?? 0);
  meters.read('quorate_worker_damaged_trees', () => status().damaged.length);
  meters.read('quorate_store_bytes', async () => (await store.usage()).bytes);
  meters.read('quorate_store_pins', async () => (await store.usage()).pins);
  meters.begin();
  return {
    built(result, ms) {
      const tier = result?.sandbox.tier ?? 'none';
      meters.add('quorate_builds_total', { outcome: outcomeOf(result?.outcome), tier });
      meters.observe('quorate_build_duration_seconds', ms / 1000, { tier });
    },
  };
}

function outcomeOf(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'operator';
  if (outcome.kind === 'aborted') return outcome.reason;
  return outcome.code === 0 ? 'succeeded' : 'failed';
}
