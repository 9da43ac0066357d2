import type { Registry } from 'prom-client';
import type { Mesh } from '../../mesh/index.ts';
import { Meters, type MetricTable } from '../../node/metrics.ts';
import { meterMesh } from '../../node/node-metrics.ts';
import type { EventLog } from '../../protocol/sessions/loop.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { Store } from '../../store/index.ts';
import type { ControllerEffect, ControllerEvent } from '../machine/events.ts';
import { workersByRole } from '../machine/presence.ts';
import type { ControllerState } from '../machine/state.ts';

const phases = [
  'waiting',
  'answering',
  'answer-cosigning',
  'building',
  'awaiting-trusted',
  'held',
  'pinning',
  'agreed',
  'cosigning',
  'witnessing',
] as const;

export const controllerMetrics = {
  quorate_runs_submitted_total: { type: 'counter', help: 'Requests that were accepted.' },
  quorate_runs_total: {
    type: 'counter',
    help: 'Verdicts that were given, by level. A run that is agreed first and trusted later counts in both.',
    labels: { level: ['trusted', 'agreed', 'failed', 'disputed', 'unfinished'] },
  },
  quorate_runs_cancelled_total: { type: 'counter', help: 'Runs that were ended without a verdict.' },
  quorate_runs_revoked_total: { type: 'counter', help: 'Published verdicts that a revocation voided.' },
  quorate_runs_open: {
    type: 'gauge',
    help: 'Runs that have not ended, by what they wait for (the `state` of `quorate jobs`).',
    labels: { phase: phases },
  },
  quorate_runs_oldest_open_seconds: {
    type: 'gauge',
    help: 'Age of the oldest run that has not ended; 0 where there is none.',
  },
  quorate_offers_open: { type: 'gauge', help: 'Offers that still take claims: the queue that workers see.' },
  quorate_rounds_opened_total: { type: 'counter', help: 'Rounds that were opened.' },
  quorate_round_duration_seconds: {
    type: 'histogram',
    help: 'Time from the offer of a round to its reveal.',
    buckets: [5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600],
  },
  quorate_leases_given_total: { type: 'counter', help: 'Leases that were given to workers.' },
  quorate_leases_lost_total: { type: 'counter', help: 'Leases that ended without a result.' },
  quorate_leases: {
    type: 'gauge',
    help: 'Leases that are live, those that are kept for a co-signature included.',
  },
  quorate_workers_connected: {
    type: 'gauge',
    help: 'Workers that are connected, by role.',
    labels: { role: ['worker', 'trusted-worker'] },
  },
  quorate_controller_draining: { type: 'gauge', help: '1 while the controller is drained, else 0.' },
  quorate_log_leaves: { type: 'gauge', help: 'Leaves of the log of the project.' },
  quorate_journal_write_seconds: {
    type: 'histogram',
    help: 'Time of a write to the journal: `append` of the events of one turn, `sync` to disk.',
    labels: { operation: ['append', 'sync'] },
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  quorate_store_bytes: { type: 'gauge', help: 'Bytes of the public blocks on disk.' },
  quorate_store_pins: { type: 'gauge', help: 'Trees that are pinned.' },
} as const satisfies MetricTable;

const counters: Partial<Record<Progress['kind'], keyof typeof controllerMetrics>> = {
  accepted: 'quorate_runs_submitted_total',
  cancelled: 'quorate_runs_cancelled_total',
  revoked: 'quorate_runs_revoked_total',
  leased: 'quorate_leases_given_total',
  lost: 'quorate_leases_lost_total',
  round: 'quorate_rounds_opened_total',
};

interface ControllerMeters {
  effect(effect: ControllerEffect): void;
  journal(journal: EventLog<ControllerEvent>): EventLog<ControllerEvent>;
}

export function meterController(
  registry: Registry,
  { state, mesh, store }: { state: ControllerState; mesh: Mesh; store: Pick<Store, 'usage'> },
): ControllerMeters {
  meterMesh(registry, mesh);
  const meters = new Meters(registry, controllerMetrics);
  meters.read('quorate_runs_open', () => {
    const counts = new Map<string, number>(phases.map((phase) => [phase, 0]));
    for (const { phase } of state.index.open.values())
      counts.set(phase.kind, (counts.get(phase.kind) ?? 0) + 1);
    return [...counts].map(([phase, count]) => [{ phase }, count]);
  });
  meters.read('quorate_runs_oldest_open_seconds', () => {
    const [oldest] = state.index.open.values();
    return oldest === undefined ? 0 : Math.max(0, (Date.now() - oldest.submittedAt) / 1000);
  });
  meters.read('quorate_offers_open', () => state.offers.size);
  meters.read('quorate_leases', () => state.leases.size);
  meters.read('quorate_workers_connected', () =>
    Object.entries(workersByRole(state.presence)).map(([role, count]) => [{ role }, count]),
  );
  meters.read('quorate_controller_draining', () => (state.draining ? 1 : 0));
  meters.read('quorate_log_leaves', () => state.log.size);
  meters.read('quorate_store_bytes', async () => (await store.usage()).bytes);
  meters.read('quorate_store_pins', async () => (await store.usage()).pins);
  meters.begin();
  const timed = (operation: 'append' | 'sync', act: () => void) => {
    const start = performance.now();
    act();
    meters.observe('quorate_journal_write_seconds', (performance.now() - start) / 1000, { operation });
  };
  return {
    effect(effect) {
      if (effect.kind !== 'progress') return;
      const { run, progress } = effect;
      const counter = counters[progress.kind];
      if (counter !== undefined) meters.add(counter);
      else if (progress.kind === 'verdict') meters.add('quorate_runs_total', { level: progress.level });
      else if (progress.kind === 'revealed') {
        const opened = state.runs.get(run)?.rounds.find(({ n }) => n === progress.round)?.openedAt;
        // The trusted worker's result, which comes with the verdict, ends no round.
        if (opened === undefined || progress.results.some(({ slot }) => slot === 'trusted')) return;
        meters.observe('quorate_round_duration_seconds', Math.max(0, Date.now() - opened) / 1000);
      }
    },
    journal: (journal) => ({
      appendAll: (entries) => timed('append', () => journal.appendAll(entries)),
      sync: () => timed('sync', () => journal.sync()),
      replay: () => journal.replay(),
    }),
  };
}
