import { collectDefaultMetrics, type Registry } from 'prom-client';
import type { Mesh } from '../mesh/index.ts';
import { type LogLevel, logLevels } from '../protocol/base/log-lines.ts';
import { Meters, type MetricTable } from './metrics.ts';

export const processMetrics = {
  quorate_log_lines_total: {
    type: 'counter',
    help: 'Events of this process, logged or not, by level.',
    labels: { level: logLevels },
  },
} as const satisfies MetricTable;

/** Of every process that is a node of the mesh. */
export const meshMetrics = {
  quorate_mesh_connections: { type: 'gauge', help: 'Peers that are connected.' },
  quorate_mesh_connections_max: { type: 'gauge', help: 'Connections that this node may have.' },
  quorate_mesh_connections_refused_total: {
    type: 'counter',
    help: 'Connections of peers that found no place, or did not get to their handshake.',
  },
  quorate_mesh_connections_closed_total: {
    type: 'counter',
    help: 'Connections that were closed because others needed their place.',
  },
  quorate_mesh_dials_refused_total: {
    type: 'counter',
    help: 'Dials that were not made, because too many to that network have failed.',
  },
  quorate_mesh_gossip_messages_total: {
    type: 'counter',
    help: 'Gossip messages that arrived, by what became of them.',
    labels: { result: ['accepted', 'rejected', 'ignored'] },
  },
  quorate_mesh_gossip_throttled_total: {
    type: 'counter',
    help: 'Pauses of a peer that sent more gossip than is taken from one.',
  },
  quorate_mesh_streams_refused_total: {
    type: 'counter',
    help: 'Streams of peers that were refused: too many at once, or too many a minute.',
    labels: { reason: ['count', 'rate'] },
  },
  quorate_mesh_messages_too_large_total: {
    type: 'counter',
    help: 'Messages that were refused for their size.',
  },
  quorate_mesh_handler_failures_total: {
    type: 'counter',
    help: 'Conversations with a peer that ended with an error.',
  },
  quorate_mesh_records_evicted_total: {
    type: 'counter',
    help: 'Records of the DHT that made room for others.',
  },
  quorate_mesh_peers_file_failures_total: {
    type: 'counter',
    help: 'Times that the remembered peers could not be read or written.',
  },
} as const satisfies MetricTable;

export interface ProcessMeters {
  event(level: LogLevel): void;
}

/** Metrics of the process: processor, memory, event loop, garbage collection, and its log. */
export function meterProcess(registry: Registry): ProcessMeters {
  collectDefaultMetrics({ register: registry });
  const meters = new Meters(registry, processMetrics);
  meters.begin();
  return { event: (level) => meters.add('quorate_log_lines_total', { level }) };
}

export function meterMesh(registry: Registry, mesh: Pick<Mesh, 'connected' | 'connections' | 'stats'>): void {
  const stats = () => mesh.stats();
  new Meters(registry, meshMetrics).readAll({
    quorate_mesh_connections: () => mesh.connected().length,
    quorate_mesh_connections_max: () => mesh.connections().max,
    quorate_mesh_connections_refused_total: () => stats().connectionsRefused,
    quorate_mesh_connections_closed_total: () => stats().connectionsClosed,
    quorate_mesh_dials_refused_total: () => stats().dialsRefused,
    quorate_mesh_gossip_messages_total: () => [
      [{ result: 'accepted' }, stats().gossipAccepted],
      [{ result: 'rejected' }, stats().gossipRejected],
      [{ result: 'ignored' }, stats().gossipIgnored],
    ],
    quorate_mesh_gossip_throttled_total: () => stats().gossipThrottled,
    quorate_mesh_streams_refused_total: () => [
      [{ reason: 'count' }, stats().streamsRefusedByCount],
      [{ reason: 'rate' }, stats().streamsRefusedByRate],
    ],
    quorate_mesh_messages_too_large_total: () => stats().messagesTooLarge,
    quorate_mesh_handler_failures_total: () => stats().handlerFailures,
    quorate_mesh_records_evicted_total: () => stats().recordsEvicted,
    quorate_mesh_peers_file_failures_total: () => stats().peersFileFailures,
  });
}
