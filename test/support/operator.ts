import type { Steering } from '../../sandbox/index.ts';
import { Bandwidth } from '../../src/protocol/base/bandwidth.ts';
import { Operator, type OperatorOptions } from '../../src/worker/node/operator.ts';

const steering: Steering = {
  freeze() {},
  thaw() {},
  cap: () => [],
  prioritise: () => [],
  abilities: { freeze: true, processorTime: true, idle: true, ioWeight: true, disk: true },
  usage: () => [],
  processorSeconds: () => 0,
};

/** The operator's control of a worker, where no build runs. */
export const idleOperator = (over: Partial<OperatorOptions> = {}): Operator =>
  new Operator({
    lending: {
      capabilities: {
        arch: 'x86_64',
        cpus: 1,
        memoryBytes: 2 ** 28,
        diskBytes: 2 ** 28,
        tiers: ['namespace'],
      },
      jobsAtOnce: 1,
      seconds: 86_400,
    },
    rules: { hours: [] },
    sandboxes: steering,
    bandwidth: new Bandwidth(),
    async dispatch() {},
    builds: () => [],
    fetching: () => null,
    damaged: () => [],
    leases: () => 1,
    history: () => [],
    trouble: () => null,
    behind: () => null,
    log: () => ({ trouble: null, isVoid: false }),
    hosts: {
      list: 'any',
      spent: [],
      gate: { traffic: [] },
      watch: () => () => {},
      async allow() {},
      async withdraw() {},
    },
    pendingHosts: () => [],
    tell() {},
    stop() {},
    ...over,
  });
