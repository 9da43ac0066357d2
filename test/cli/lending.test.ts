import { describe, expect, it } from 'vitest';
import { describeLending } from '../../src/cli/lending.ts';

describe('who is asked to lend a machine', () => {
  it('hears that jobs may ask for the servers of the project', () => {
    const capabilities = { cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, tiers: ['gvisor' as const] };
    const lines = describeLending({ capabilities: { ...capabilities, arch: 'x86_64' }, jobsAtOnce: 1 });
    expect(lines.join('\n')).toMatch(/gvisor; network: the servers of the project’s source and store/);
  });
});
