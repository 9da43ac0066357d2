import { describe, expect, it } from 'vitest';
import { sayLending } from '../../src/cli/joining.ts';
import { describeLending } from '../../src/cli/lending.ts';

describe('who is asked to lend a machine', () => {
  it('is shown every host that it will connect to', () => {
    const said: string[] = [];
    const out = {
      say: (...lines: string[]) => void said.push(...lines),
      colours: { bold: String, yellow: String },
    };
    // A charter names 64 servers and 16 bootstrap nodes, its controller 4 addresses.
    const hosts = Array.from({ length: 84 }, (_, n) => `host${n}.example`);
    const capabilities = { cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, tiers: ['gvisor' as const] };
    const lending = { capabilities: { ...capabilities, arch: 'x86_64' as const }, jobsAtOnce: 1 };
    const joining = { known: undefined, project: 'p'.repeat(52), operator: 'ada', role: 'worker' as const };
    sayLending({ out } as never, joining as never, { lending, consent: undefined }, hosts);
    const line = said.find((one) => one.startsWith('For the project it connects to'));
    expect(line).toBe(`For the project it connects to ${hosts.join(', ')}.`);
  });

  it('hears that jobs may ask for the servers of the project', () => {
    const capabilities = { cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, tiers: ['gvisor' as const] };
    const lines = describeLending({ capabilities: { ...capabilities, arch: 'x86_64' }, jobsAtOnce: 1 });
    expect(lines.join('\n')).toMatch(/gvisor; network: the servers of the project’s source and store/);
  });
});
