import { assert } from '../protocol/base/errors.ts';

/** Bounds of the egress proxy. The first two are those of a checkout; a build with a network has its own. */
export const egressLimits = {
  /** Open connections. Git needs one at a time, and a new one for each request. */
  connectionsMax: 8,
  /** Connections in all, the refused ones included. */
  connectionsTotalMax: 256,
  /** Bytes uploaded during fetch negotiation. A push would need more. */
  sentBytesMax: 16 * 1024 * 1024,
  /** The header of a request to the proxy. */
  headerBytesMax: 16 * 1024,
  /** Addresses of one name that are tried one after the other. */
  addressesMax: 4,
  /** Time for one of these to answer. */
  connectMs: 10_000,
  /** Refusals reported one by one; further ones are only counted. */
  refusalsListedMax: 8,
  /** Refusals of one destination in a row after which a build is ended. A client that stops at its first has a few dozen open. */
  refusalsInARowMax: 128,
  /** Open connections of a worker to one host, or one address. A build with a network may have as many. */
  hostOpenMax: 64,
  /** Hosts and addresses that a worker connects to within an hour: a charter names 64 servers at most. */
  hostsCountedMax: 4096,
  /** Hosts whose traffic is shown. The oldest is forgotten first. */
  hostsShownMax: 128,
  /** The last addresses of a host that are remembered: of another one its operator is told. */
  hostAddressesShownMax: 16,
  /** Addresses of one host that are told: large services have hundreds. */
  hostAddressesToldMax: 8,
  /** Destinations whose refusals are counted. */
  refusedDestinationsMax: 256,
} as const;

assert(
  egressLimits.connectionsMax <= egressLimits.connectionsTotalMax,
  'open connections are among all connections',
);
