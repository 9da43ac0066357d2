import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { meterController } from '../../src/controller/node/metrics.ts';
import { healthApp, type Monitor, metricsApp, openMonitor } from '../../src/http/monitor.ts';
import type { HealthCheck } from '../../src/node/health.ts';
import { type NodeEvent, teller } from '../../src/node/node-events.ts';
import { meterWorker } from '../../src/worker/node/metrics.ts';
import { Bench, deliverAll, leasedRound } from '../controller/machine/bench.ts';
import { readExposition } from './exposition.ts';
import { metricTables } from './metric-tables.ts';

const mesh = {
  connected: () => ['a', 'b'],
  stats: () => ({
    gossipAccepted: 5,
    gossipRejected: 2,
    gossipIgnored: 1,
    gossipThrottled: 0,
    recordsEvicted: 0,
    streamsRefusedByRate: 3,
    streamsRefusedByCount: 4,
    messagesTooLarge: 0,
    handlerFailures: 0,
    peersFileFailures: 0,
    connectionsRefused: 7,
    connectionsClosed: 1,
    dialsRefused: 0,
  }),
  connections: () => ({ open: 2, max: 300, refused: 7, isFull: false }),
};
const store = { usage: async () => ({ bytes: 123, pins: 4 }) };

async function read(registry: Registry) {
  const answer = await metricsApp(registry).request('/metrics');
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return readExposition(await answer.text());
}

async function monitor(over: { host?: string } = {}): Promise<Monitor> {
  const opened = await openMonitor({
    host: '127.0.0.1',
    port: 0,
    service: 'worker',
    version: '1.2.3',
    ...over,
  });
  onTestFinished(() => opened.close());
  return opened;
}

describe('metrics', () => {
  it('of a controller are what its machine did, with every name and label of the table', async () => {
    const registry = new Registry();
    const { bench, leases } = await leasedRound();
    const meters = meterController(registry, { state: bench.controller.state, mesh: mesh as never, store });
    const seen = bench.effects.length;
    for (const effect of bench.effects) meters.effect(effect);
    await deliverAll(bench, leases, []);
    for (const effect of bench.effects.slice(seen)) meters.effect(effect);
    const families = await read(registry);
    const tables = { ...metricTables.controller, ...metricTables['nodes of the mesh'] };
    expect([...families.keys()].sort()).toEqual(Object.keys(tables).sort());
    for (const [name, { type, labels = {} }] of Object.entries(tables)) {
      expect(families.get(name)?.type).toBe(type);
      for (const sample of families.get(name)?.samples ?? [])
        for (const [label, value] of Object.entries(sample.labels))
          if (label !== 'le') expect(labels[label], `${name} ${label}`).toContain(value);
    }
    const value = (name: string, labels: Record<string, string> = {}) =>
      families
        .get(name)
        ?.samples.find((one) => Object.entries(labels).every(([key, held]) => one.labels[key] === held))
        ?.value;
    expect(value('quorate_runs_submitted_total')).toBe(1);
    expect(value('quorate_rounds_opened_total')).toBe(1);
    expect(value('quorate_leases_given_total')).toBe(4);
    expect(value('quorate_runs_open', { phase: 'pinning' })).toBe(1);
    expect(value('quorate_workers_connected', { role: 'worker' })).toBe(3);
    expect(value('quorate_workers_connected', { role: 'trusted-worker' })).toBe(1);
    expect(value('quorate_mesh_streams_refused_total', { reason: 'count' })).toBe(4);
    expect(value('quorate_store_pins')).toBe(4);
    const rounds = families.get('quorate_round_duration_seconds')?.samples ?? [];
    expect(rounds.find(({ name }) => name.endsWith('_count'))?.value).toBe(1);
  });

  it('of a controller count how runs and leases ended, and say how it is now', async () => {
    const registry = new Registry();
    const { bench, run } = await leasedRound();
    const meters = meterController(registry, { state: bench.controller.state, mesh: mesh as never, store });
    const progress = (kind: string, more: object = {}) =>
      meters.effect({ kind: 'progress', run, progress: { kind, ...more } } as never);
    for (const kind of ['cancelled', 'revoked', 'lost', 'passed']) progress(kind);
    for (const level of ['trusted', 'trusted', 'failed']) progress('verdict', { level });
    // The result of a trusted worker ends no round, and neither does one of a round that is not known.
    progress('revealed', { round: 1, results: [{ slot: 'trusted' }] });
    progress('revealed', { round: 9, results: [{ slot: 0 }] });
    meters.effect({ kind: 'reply' } as never);
    const families = await read(registry);
    const values = (name: string) =>
      Object.fromEntries(
        (families.get(name)?.samples ?? []).map(({ labels, value }) => [Object.values(labels).join(), value]),
      );
    const { state } = bench.controller;
    expect({
      cancelled: values('quorate_runs_cancelled_total')[''],
      revoked: values('quorate_runs_revoked_total')[''],
      lost: values('quorate_leases_lost_total')[''],
      levels: values('quorate_runs_total'),
      offers: values('quorate_offers_open')[''],
      leases: values('quorate_leases')[''],
      draining: values('quorate_controller_draining')[''],
      leaves: values('quorate_log_leaves')[''],
      bytes: values('quorate_store_bytes')[''],
      submitted: values('quorate_runs_submitted_total')[''],
    }).toEqual({
      cancelled: 1,
      revoked: 1,
      lost: 1,
      draining: 0,
      bytes: 123,
      submitted: 0,
      levels: { trusted: 2, agreed: 0, failed: 1, disputed: 0, unfinished: 0 },
      offers: state.offers.size,
      leases: state.leases.size,
      leaves: state.log.size,
    });
    expect(state.leases.size).toBe(4);
    expect(values('quorate_runs_oldest_open_seconds')['']).toBeGreaterThan(0);
    const rounds = families.get('quorate_round_duration_seconds')?.samples ?? [];
    expect(rounds.find(({ name }) => name.endsWith('_count'))?.value).toBe(0);
  });

  it('of a controller measure its journal', async () => {
    const registry = new Registry();
    const { state } = new Bench().controller;
    const appended: unknown[] = [];
    const journal = meterController(registry, { state, mesh: mesh as never, store }).journal({
      appendAll: (entries) => void appended.push(...entries.map(({ event }) => event)),
      sync: () => {},
      replay: () => [],
    });
    journal.appendAll([{ event: { kind: 'tick' }, at: 1, record: undefined }]);
    journal.sync();
    expect(appended).toEqual([{ kind: 'tick' }]);
    const counts = (await read(registry))
      .get('quorate_journal_write_seconds')
      ?.samples.filter(({ name }) => name.endsWith('_count'));
    expect(counts?.map(({ labels, value }) => [labels.operation, value])).toEqual([
      ['append', 1],
      ['sync', 1],
    ]);
  });

  it('of a worker are its state, what it lends and how its builds ended', async () => {
    const registry = new Registry();
    const status = {
      state: 'cut off',
      reason: null,
      log: null,
      unheeded: [],
      fetching: null,
      damaged: ['x'],
      builds: [{ job: 'a', commit: 'b', ms: 1 }],
      leases: 2,
      hostLoad: null,
      using: { memoryBytes: 7, processorSeconds: 8 },
      lending: { cpus: 2, memoryBytes: 3, diskBytes: 4 },
    };
    const meters = meterWorker(registry, { status: () => status as never, mesh: mesh as never, store });
    const build = (outcome: unknown, tier: string) =>
      meters.built({ outcome, sandbox: { tier } } as never, 2_000);
    build({ kind: 'exit', code: 0, artifact: null }, 'namespace');
    build({ kind: 'exit', code: 3, artifact: null }, 'namespace');
    build({ kind: 'aborted', reason: 'memory', detail: '' }, 'vm');
    meters.built(undefined, 10);
    const families = await read(registry);
    const tables = { ...metricTables.worker, ...metricTables['nodes of the mesh'] };
    expect([...families.keys()].sort()).toEqual(Object.keys(tables).sort());
    const ended = families.get('quorate_builds_total')?.samples.filter(({ value }) => value > 0);
    expect(ended?.map(({ labels: { outcome, tier } }) => `${outcome} ${tier}`)).toEqual(
      expect.arrayContaining(['succeeded namespace', 'failed namespace', 'memory vm', 'operator none']),
    );
    const state = families.get('quorate_worker_state')?.samples.filter(({ value }) => value === 1);
    expect(state?.map(({ labels }) => labels.state)).toEqual(['cut off']);
    const of = (name: string) => families.get(name)?.samples[0]?.value;
    expect({
      running: of('quorate_builds_running'),
      leases: of('quorate_leases'),
      cpus: of('quorate_worker_lent_cpus'),
      memory: of('quorate_worker_lent_memory_bytes'),
      disk: of('quorate_worker_lent_disk_bytes'),
      usedMemory: of('quorate_worker_used_memory_bytes'),
      usedSeconds: of('quorate_worker_used_processor_seconds'),
      load: of('quorate_worker_host_load'),
      damaged: of('quorate_worker_damaged_trees'),
      bytes: of('quorate_store_bytes'),
      pins: of('quorate_store_pins'),
    }).toEqual({
      running: 1,
      leases: 2,
      cpus: 2,
      memory: 3,
      disk: 4,
      usedMemory: 7,
      usedSeconds: 8,
      load: 0,
      damaged: 1,
      bytes: 123,
      pins: 4,
    });
    const times = families.get('quorate_build_duration_seconds')?.samples ?? [];
    const sums = times.filter(({ name }) => name.endsWith('_sum'));
    expect(sums.find(({ labels }) => labels.tier === 'namespace')?.value).toBe(4);
  });

  it('have names and texts as Prometheus wants them', () => {
    const names = Object.values(metricTables).flatMap((table) => Object.entries(table));
    for (const [name, { type, help }] of names) {
      expect(name).toMatch(/^quorate_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(help).toMatch(/\.$/);
    }
  });

  it('are all that the example of alerts asks for', () => {
    const { groups } = parse(readFileSync('docs/monitoring/alerts.yml', 'utf8')) as {
      groups: { rules: { expr: string }[] }[];
    };
    const known = new Set(Object.values(metricTables).flatMap((table) => Object.keys(table)));
    const asked = groups.flatMap(({ rules }) =>
      rules.flatMap(({ expr }) => expr.match(/quorate_\w+/g) ?? []),
    );
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.map((name) => name.replace(/_bucket$/, '')).filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('health', () => {
  const check = (name: string, trouble: HealthCheck['trouble']): HealthCheck => ({ name, trouble });
  const app = (live: HealthCheck[], ready: HealthCheck[]) =>
    healthApp({ live: () => live, ready: () => ready });

  it('is 200 while every check holds, and 503 with the reason while one does not', async () => {
    const well = app([check('journal', () => undefined)], [check('mesh', async () => undefined)]);
    expect((await well.request('/healthz')).status).toBe(200);
    const ready = await well.request('/readyz');
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({
      status: 'ok',
      checks: [
        { name: 'journal', ok: true },
        { name: 'mesh', ok: true },
      ],
    });
    const ill = app([check('journal', () => undefined)], [check('mesh', () => 'no address')]);
    expect((await ill.request('/healthz')).status).toBe(200);
    const unready = await ill.request('/readyz');
    expect(unready.status).toBe(503);
    expect(await unready.json()).toMatchObject({
      status: 'failing',
      checks: [{ ok: true }, { name: 'mesh', ok: false, says: 'no address' }],
    });
  });

  it('fails where a check throws, and is not ready where the process does not live', async () => {
    const dead = app([check('journal', () => Promise.reject(new Error('the disk is full')))], []);
    for (const path of ['/healthz', '/readyz']) {
      const answer = await dead.request(path);
      expect([path, answer.status]).toEqual([path, 503]);
      expect(await answer.json()).toMatchObject({ checks: [{ says: 'the disk is full' }] });
    }
  });
});

describe('a monitor', () => {
  it('says that the process starts until it has checks, and counts what is logged', async () => {
    const opened = await monitor();
    expect((await fetch(`${opened.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${opened.url}/readyz`)).status).toBe(503);
    opened.watch({ live: [], ready: [] });
    expect((await fetch(`${opened.url}/readyz`)).status).toBe(200);
    const logged: NodeEvent[] = [];
    const tell = teller(opened.counted((event) => void logged.push(event)));
    tell('warn', 'pin', 'a sentence');
    expect(logged).toHaveLength(1);
    const families = readExposition(await (await fetch(`${opened.url}/metrics`)).text());
    const lines = families.get('quorate_log_lines_total')?.samples ?? [];
    expect(lines.find(({ labels }) => labels.level === 'warn')?.value).toBe(1);
    expect(families.get('quorate_build_info')?.samples).toEqual([
      { name: 'quorate_build_info', labels: { service: 'worker', version: '1.2.3' }, value: 1 },
    ]);
    expect(families.has('process_resident_memory_bytes')).toBe(true);
  });

  it('warns where others than this host reach it', async () => {
    const told = async (host: string) => {
      const events: NodeEvent[] = [];
      (await monitor({ host })).announce(teller((event) => void events.push(event)));
      return events.map(({ level, kind }) => `${level} ${kind}`);
    };
    for (const host of ['127.0.0.1', 'localhost']) expect(await told(host)).toEqual(['info monitored']);
    expect(await told('0.0.0.0')).toEqual(['warn monitored']);
  });

  it('answers no name that somebody else’s DNS leads here', async () => {
    const { url } = await monitor();
    const { hostname, port } = new URL(url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () =>
        socket.end('GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'),
      );
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      socket.on('end', () => resolve(text)).on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 421 /);
    expect(answer).not.toContain('quorate_build_info');
  });
});
