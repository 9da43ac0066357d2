import { describe, expect, it } from 'vitest';
import { sayLending } from '../../../src/worker/commands/joining.ts';
import { describeAllowed, describeLending } from '../../../src/worker/commands/lending.ts';

describe('an operator who is asked to lend a machine', () => {
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
    expect(line).toBe(
      `For the project it connects to its members, and of other hosts to ${hosts.join(', ')}.`,
    );
  });

  it('hears that jobs may ask for the servers of the project', () => {
    const capabilities = { cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, tiers: ['gvisor' as const] };
    const lines = describeLending({ capabilities: { ...capabilities, arch: 'x86_64' }, jobsAtOnce: 1 });
    expect(lines.join('\n')).toMatch(/gvisor; network: the servers of the project’s source and store/);
  });
});

describe('an operator who allows a host', () => {
  const hosts = (allowed: string[] | 'any', ...pending: string[]) => ({
    allowed,
    pending,
    spent: [],
    traffic: [],
  });

  it.each([
    ['b', false, hosts(['a'], 'b'), hosts(['a', 'b']), 'b is allowed.', false],
    ['a', false, hosts(['a'], 'b'), hosts(['a'], 'b'), 'a was allowed already.', false],
    [
      'c',
      false,
      hosts(['a'], 'b'),
      hosts(['a', 'c'], 'b'),
      /^c is allowed, but neither the project nor/,
      true,
    ],
    ['a', true, hosts(['a']), hosts([], 'a'), 'a is no longer allowed.', false],
    ['c', true, hosts(['a']), hosts(['a']), 'c is not, and was not, allowed.', true],
    ['a', true, hosts(['a']), hosts(['a']), /^a stays allowed, by worker.toml/, true],
    ['a:80', true, hosts(['a', 'a:80']), hosts(['a']), /^a:80 stays allowed/, true],
    ['a', true, hosts('any'), hosts('any'), /^worker.toml allows any host: a stays/, true],
    ['a', false, hosts('any'), hosts('any'), /^worker.toml allows any host: a was/, false],
  ])('hears of %s, withdrawn %s: %#', (host, withdraw, before, after, text, mind) => {
    const said = describeAllowed(host, withdraw, before, after);
    expect(said).toEqual({ text: expect.stringMatching(text), mind });
  });
});
