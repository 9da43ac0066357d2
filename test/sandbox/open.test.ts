import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { combineSandboxes, openSandbox, openSandboxes, probe } from '../../sandbox/index.ts';
import { guards } from '../../sandbox/namespace/guards.ts';
import { namespaceTier } from '../../sandbox/namespace/tier.ts';
import { tierProbes } from '../../sandbox/open.ts';
import type { TierProbe } from '../../sandbox/probe/tier.ts';
import type { ProbeCheck, Sandbox, SandboxAbilities, Steering, Tier } from '../../sandbox/types.ts';
import { codeOf } from '../support/code-and-folder.ts';
import { tempFolder } from './support.ts';

const usual = { ...tierProbes };
let folder: Awaited<ReturnType<typeof tempFolder>>;
/** Tiers in the order in which they were looked at. */
let looked: Tier[];

beforeEach(async () => {
  folder = await tempFolder();
  looked = [];
});
afterEach(async () => {
  Object.assign(tierProbes, usual);
  await folder.remove();
});

/** The tier says that it lacks something, and no job runs. */
function lacks(tier: Tier, fix = `get ${tier}`, part: string = tier, more: ProbeCheck[] = []): void {
  const { backend } = (usual.namespace as NonNullable<typeof usual.namespace>)('');
  const lookAround = async () => {
    looked.push(tier);
    const check = { name: `part of ${part}`, ok: false, found: 'missing' };
    return [
      { name: 'good', ok: true, found: 'here', fix: 'none' },
      ...more,
      { ...check, ...(fix !== '' && { fix }) },
    ];
  };
  const probeImage = async () => 'host' as const;
  Object.assign(tierProbes, {
    [tier]: (): TierProbe => ({ backend: { ...backend, tier }, lookAround, probeImage }),
  });
}

describe('tiers are opened', () => {
  it('the strongest that works, and the emulated one by its name alone', async () => {
    for (const tier of ['vm', 'vm-emulated', 'gvisor'] as const) lacks(tier);
    const opened = await openSandboxes(folder.path);
    expect([opened.tiers, looked]).toEqual([['namespace'], ['vm', 'gvisor']]);
    expect(statSync(folder.path).isDirectory()).toBe(true);
  });

  it('each that is named has to work', async () => {
    lacks('gvisor');
    const tried = openSandboxes(folder.path, { tiers: ['namespace', 'gvisor'] });
    await expect(tried).rejects.toMatchObject({
      code: 'SANDBOX_UNAVAILABLE',
      hint: 'get gvisor',
      message: expect.stringContaining('the gvisor sandbox does not work here: part of gvisor: missing'),
    });
    expect(await codeOf(() => openSandboxes(folder.path, { tiers: [] }))).toBe('SANDBOX_UNAVAILABLE');
  });

  it('an error names what is missing of each and what helps, where none works', async () => {
    for (const tier of ['vm', 'gvisor'] as const) lacks(tier, 'the same', 'both');
    lacks('namespace', '');
    const error = await openSandboxes(folder.path).then(
      () => undefined,
      (one) => one,
    );
    const message =
      'the vm, gvisor, namespace sandboxes do not work here: part of both: missing (vm, gvisor); part of namespace: missing (namespace)';
    expect(error).toMatchObject({ code: 'SANDBOX_UNAVAILABLE', hint: 'the same', message });
    lacks('namespace', '');
    await expect(openSandbox(folder.path)).rejects.toMatchObject({
      code: 'SANDBOX_UNAVAILABLE',
      hint: undefined,
    });
  });

  it('an error names first what lets one of them work', async () => {
    const device = { name: '/dev/kvm', ok: false, found: 'closed', fix: 'join kvm' };
    lacks('vm', 'be root', 'all', [device]);
    for (const tier of ['gvisor', 'namespace'] as const) lacks(tier, 'be root', 'all');
    await expect(openSandboxes(folder.path)).rejects.toMatchObject({ hint: 'be root; join kvm' });
  });

  it('one is checked from inside once, and again when other tools are found', async () => {
    const real = usual.namespace as NonNullable<typeof usual.namespace>;
    let version = '1';
    const lookAround = async () => [{ name: 'tool', ok: true, found: version }];
    Object.assign(tierProbes, {
      namespace: (dir: string): TierProbe => ({ ...real(dir), lookAround }),
    });
    const steps = async () => {
      const told: string[] = [];
      await openSandbox(folder.path, 'namespace', { onStep: (_, step) => told.push(step) });
      return told.length;
    };
    const [first, second] = [await steps(), await steps()];
    version = '2';
    expect([second, await steps()]).toEqual([1, first]);
    expect(first).toBeGreaterThan(1);
    const told: string[] = [];
    const onStep = (_: Tier, step: string) => told.push(step);
    await openSandboxes(folder.path, { tiers: ['namespace'], onStep });
    expect(told).toHaveLength(1);
  });

  it('one that is opened again says the kernel that builds see, as the first one did', async () => {
    const seen = 'a kernel in user space';
    const asked = `exec "\${@:1:$#-1}" "uname() { echo ${seen}; }; \${!#}"`;
    const stepPrefix = () => [...guards.stepPrefix(), 'bash', '-c', asked, 'bash'];
    const backend = namespaceTier({ ...guards, stepPrefix }, () => undefined);
    const probeImage = async () => 'host' as const;
    const namespace = (): TierProbe => ({ backend, lookAround: async () => [], probeImage });
    Object.assign(tierProbes, { namespace });
    for (let n = 0; n < 2; n++) expect((await openSandbox(folder.path)).unpinned.kernel).toBe(seen);
  });

  it('one that there is not is refused, and those there are named', async () => {
    await expect(openSandbox(folder.path, 'other' as Tier)).rejects.toMatchObject({
      code: 'SANDBOX_UNAVAILABLE',
      message: 'there is no tier other',
      hint: 'Tiers: vm, vm-emulated, gvisor, namespace.',
    });
  });

  it('after what a crash left is gone', async () => {
    const [records, group] = [join(folder.path, 'sandbox'), join(folder.path, 'quorate-job-1-a')];
    mkdirSync(records);
    mkdirSync(group);
    const record = { pid: 1, started: 'another', directories: [group] };
    writeFileSync(join(records, 'quorate-job-1-a.json'), JSON.stringify(record));
    lacks('namespace');
    expect(await codeOf(() => openSandbox(folder.path))).toBe('SANDBOX_UNAVAILABLE');
    expect([existsSync(group), existsSync(join(records, 'quorate-job-1-a.json'))]).toEqual([false, false]);
  });

  it('a probe looks at those it is asked for, the strongest first, in a folder of its own', async () => {
    for (const tier of ['vm', 'gvisor', 'vm-emulated', 'namespace'] as const) lacks(tier);
    const home = join(folder.path, 'home');
    const found = await probe({ stateDir: home, of: ['namespace', 'vm-emulated'] });
    expect(found.map(({ ok }) => ok)).toEqual([false, false]);
    expect(looked).toEqual(['vm-emulated', 'namespace']);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    await probe({ stateDir: home });
    expect(looked.slice(2)).toEqual(['vm', 'gvisor', 'namespace']);
  });

  it('no longer when their opening is given up', async () => {
    lacks('namespace');
    const signal = AbortSignal.abort(new Error('given up'));
    await expect(openSandbox(folder.path, 'namespace', { signal })).rejects.toThrow('given up');
    expect(looked).toEqual([]);
    const stop = new AbortController();
    const onStep = (): void => stop.abort(new Error('given up'));
    await expect(
      probe({ stateDir: folder.path, of: ['namespace'], signal: stop.signal, onStep }),
    ).rejects.toThrow('given up');
    expect(looked).toEqual(['namespace']);
  });
});

describe('several tiers are one', () => {
  const abilities: SandboxAbilities = {
    freeze: true,
    processorTime: true,
    idle: true,
    ioWeight: true,
    disk: true,
  };
  /** One that notes what is asked of it. */
  const one = (tier: Tier, hostImage: boolean, lack?: keyof SandboxAbilities) => {
    const calls: string[] = [];
    const note = (word: string): string[] => {
      calls.push(word);
      return [`${tier} ${word}`];
    };
    const steering: Partial<Steering> = {
      freeze: () => void note('freeze'),
      thaw: () => void note('thaw'),
      cap: () => note('cap'),
      prioritise: () => note('prioritise'),
      usage: () => [{ memoryBytes: 1, processorSeconds: 2 }],
      processorSeconds: () => 5,
      abilities: { ...abilities, ...(lack && { [lack]: false }) },
    };
    return { ...({ tier, hostImage } as unknown as Sandbox), ...steering, calls };
  };

  it('the first that takes an image runs it', () => {
    const both = combineSandboxes([one('gvisor', false), one('namespace', true)]);
    expect(both.tiers).toEqual(['gvisor', 'namespace']);
    expect(both.for('host')?.tier).toBe('namespace');
    expect(both.for({} as never)?.tier).toBe('gvisor');
    expect(combineSandboxes([one('vm', false)]).for('host')).toBeUndefined();
  });

  it('each is steered, and says what it refuses and uses', () => {
    const two = [one('gvisor', true), one('namespace', true)];
    const both = combineSandboxes([...two, { tier: 'vm', hostImage: false } as Sandbox]);
    both.freeze();
    both.thaw();
    expect(both.cap({})).toEqual(['gvisor cap', 'namespace cap']);
    expect(both.prioritise({ processor: 'low', ioWeight: 1 })).toHaveLength(2);
    for (const { calls } of two) expect(calls).toEqual(['freeze', 'thaw', 'cap', 'prioritise']);
    expect([both.usage().length, both.processorSeconds()]).toEqual([2, 10]);
    // One that cannot be steered has no ability.
    expect(Object.values(both.abilities)).toEqual(Array(5).fill(false));
  });

  it('they can what each of them can', () => {
    expect(combineSandboxes([one('gvisor', true), one('namespace', true)]).abilities).toEqual(abilities);
    for (const lack of Object.keys(abilities) as (keyof SandboxAbilities)[])
      expect(combineSandboxes([one('gvisor', true), one('namespace', true, lack)]).abilities).toEqual({
        ...abilities,
        [lack]: false,
      });
  });
});
