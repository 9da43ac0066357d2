import type { Registry } from 'prom-client';
import type { Mesh } from '../../mesh/index.ts';
import { Meters, type MetricTable } from '../../node/metrics.ts';
import { meterMesh } from '../../node/node-metrics.ts';
import type { Store } from '../../store/index.ts';

export const storeMetrics = {
  quorate_store_kept_trees: { type: 'gauge', help: 'Trees that are kept for what a verdict proves.' },
  quorate_store_kept_bytes: { type: 'gauge', help: 'Bytes that count against the quota.' },
  quorate_store_quota_bytes: { type: 'gauge', help: 'The quota.' },
  quorate_store_bytes: { type: 'gauge', help: 'Bytes of the public blocks on disk.' },
  quorate_store_pins: { type: 'gauge', help: 'Trees that are pinned.' },
} as const satisfies MetricTable;

export function meterStore(
  registry: Registry,
  of: {
    mesh: Mesh;
    store: Pick<Store, 'usage'>;
    kept: () => { trees: number; bytes: number };
    quotaBytes: number;
  },
): void {
  meterMesh(registry, of.mesh);
  new Meters(registry, storeMetrics).readAll({
    quorate_store_kept_trees: () => of.kept().trees,
    quorate_store_kept_bytes: () => of.kept().bytes,
    quorate_store_quota_bytes: () => of.quotaBytes,
    quorate_store_bytes: async () => (await of.store.usage()).bytes,
    quorate_store_pins: async () => (await of.store.usage()).pins,
  });
}
