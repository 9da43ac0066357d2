import { afterEach, describe, expect, it, vi } from 'vitest';
import { knownHosts, rememberHosts } from '../../../src/node/membership/shown-hosts.ts';
import type { AllowedHosts } from '../../../src/protocol/base/host-entry.ts';
import type { Membership } from '../../../src/protocol/sessions/credentials.ts';
import { HostList } from '../../../src/worker/node/allowed-hosts.ts';
import { folder } from '../../support/code-and-folder.ts';

afterEach(() => void vi.useRealTimers());

const project = 'project';
const target = { host: 'shown.example', port: 443 };

/** The hosts of a home where one was shown when its operator joined. */
async function hosts(listed?: AllowedHosts, connections = 2) {
  const home = { dir: await folder() };
  await rememberHosts(home, project, { shown: ['shown.example'], allowed: [] });
  const told: string[] = [];
  const membership = { project } as Membership;
  const list = await HostList.open({
    home,
    membership,
    listed,
    limits: { connections, bytes: 100 },
    tell: (_level, kind) => void told.push(kind),
  });
  return { list, told, kept: () => knownHosts(home, project) };
}

describe('hosts that an operator allows', () => {
  it('are those that were shown, with those that were allowed since, for the next starts too', async () => {
    const { list, kept } = await hosts();
    await Promise.all([list.allow('One.example'), list.allow('two.example:80'), list.allow('one.example')]);
    expect(list.list).toEqual(['shown.example', 'one.example', 'two.example:80']);
    expect(await kept()).toEqual({ shown: ['shown.example'], allowed: ['one.example', 'two.example:80'] });
    await Promise.all([list.withdraw('ONE.example'), list.withdraw('shown.example')]);
    expect(list.list).toEqual(['two.example:80']);
    expect(await kept()).toEqual({ shown: [], allowed: ['two.example:80'] });
    expect(['two.example:80', 'two.example:443', 'one.example:443'].map((one) => list.allows(one))).toEqual([
      ...[true, false, false],
    ]);
  });

  it('are those of worker.toml in place of the shown ones, or any', async () => {
    const { list } = await hosts(['own.example']);
    await list.allow('one.example');
    expect(list.list).toEqual(['own.example', 'one.example']);
    expect((await hosts('any')).list.list).toBe('any');
  });

  it('are pending where the project or a job that was passed on names others', async () => {
    const { list } = await hosts(['own.example', '[fd00::1]:80']);
    const machine = { hostsWanted: () => ['wanted.example:443', 'own.example:443'] };
    const credentials = { charter: { vcs: [], bootstrap: [] }, membership: { feed: [] } };
    expect(list.pending(credentials as never, machine as never)).toEqual(['wanted.example:443']);
    expect(() => list.gate.check({ host: 'fd00::1', port: 80 })).not.toThrow();
    expect(() => list.gate.check({ host: 'fd00::2', port: 80 })).toThrow();
  });

  it('that reach a limit are told when they do and when that is over, by the minute', async () => {
    vi.useFakeTimers();
    const { list, told } = await hosts(undefined, 1);
    let changes = 0;
    const end = list.watch(() => void changes++);
    list.gate.open(target, '192.0.2.1').close();
    expect(() => list.gate.open(target, '192.0.2.1')).toThrow();
    expect([changes, list.spent.length > 0]).toEqual([1, true]);
    vi.advanceTimersByTime(59 * 60_000);
    expect(changes).toBe(1);
    vi.advanceTimersByTime(60_000);
    expect([changes, list.spent]).toEqual([2, []]);
    end();
    expect(vi.getTimerCount()).toBe(0);
    list.gate.open(target, '192.0.2.2').close();
    expect(told).toEqual(['host-address']);
  });
});
