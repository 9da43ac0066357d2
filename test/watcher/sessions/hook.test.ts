import { describe, expect, it } from 'vitest';
import { nodeClock } from '../../../src/node/ports.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import type { ListedRun } from '../../../src/watcher/machine/alarms.ts';
import { Ledger, type LedgerEvent, type Outcome } from '../../../src/watcher/machine/hook-ledger.ts';
import type { TrustedHook } from '../../../src/watcher/machine/trusted-hook.ts';
import {
  followDisputed,
  followTrusted,
  type HookEnv,
  type HookPorts,
  repeatTrusted,
} from '../../../src/watcher/sessions/hook.ts';

const run = { run: 'r'.repeat(64), ref: 'refs/heads/main', name: 'build', artifact: 'bafy' } as ListedRun;
const facts = {
  artifact: 'bafy',
  repo: 'repo',
  ref: run.ref,
  commit: 'c',
  name: 'build',
  job: 'j',
  request: 'q',
};
const taken = { facts: { ...facts, index: 7, cosigners: ['x', 'y'] }, artifact: '/a', bundle: '/b' } as never;
const start: LedgerEvent = { kind: 'started', subject: run.run, artifact: 'bafy' };
const refusal: LedgerEvent = { kind: 'refused', subject: run.run, code: 'HOOK_OLDER', message: 'older' };
const good: Outcome = { kind: 'exit', code: 0 };

/** A hook whose looks, attempts and decisions are given; what became of them, in order. */
function hooked(of: {
  runs?: (ListedRun | undefined)[];
  list?: () => Promise<unknown>;
  verified?: LedgerEvent[];
  failed?: (LedgerEvent | undefined)[];
  isFalse?: boolean;
  once?: boolean;
  pollMs?: number;
}) {
  const log: string[] = [];
  const envs: HookEnv[] = [];
  const stop = new AbortController();
  const ledger = new Ledger();
  const ports: HookPorts = {
    project: 'p',
    folder: {
      ledger,
      record: async (event, execute) => {
        log.push(`record ${event.kind}`);
        ledger.apply(event, 1);
        execute?.();
      },
      fresh: async () => '/work',
      clear: async () => void log.push('clear'),
    },
    list: (of.list ?? (async () => ({ jobs: [], equivocations: [] }))) as HookPorts['list'],
    async execute(env) {
      envs.push(env);
      log.push('execute');
      return good;
    },
    tell: (told) => void log.push(`tell ${told.event}`),
    clock: nodeClock(stop.signal),
    once: of.once ?? false,
    pollMs: of.pollMs ?? 1,
  };
  const verified = [...(of.verified ?? [])];
  const failed = [...(of.failed ?? [])];
  const runs = [...(of.runs ?? [])];
  const hook = {
    next: () => {
      if (runs.length === 0) stop.abort();
      return runs.shift();
    },
    verified: () => (verified.length > 1 ? verified.shift() : verified[0]),
    failed: () => failed.shift(),
    isFalse: () => of.isFalse ?? false,
  } as unknown as TrustedHook;
  return { ports, hook, log, envs, ledger, stop };
}

const take = async (_run: unknown, _dir: string, accept: (facts: never) => void) => {
  accept(facts as never);
  return taken;
};

describe('a hook for what is trusted', () => {
  it('runs its command once its start is on disk, with what was verified', async () => {
    const { ports, hook, log, envs } = hooked({ runs: [run, run], verified: [start], once: true });
    expect(await followTrusted(ports, hook, take)).toEqual(good);
    expect(log).toEqual([
      ...[
        'tell following',
        'record started',
        'tell started',
        'execute',
        'record ended',
        'tell ended',
        'clear',
      ],
    ]);
    expect(envs[0]).toMatchObject({
      QUORATE_EVENT: 'trusted',
      QUORATE_LOG_INDEX: '7',
      QUORATE_COSIGNERS: 'x y',
    });
  });

  it('goes on after a command at once, unless it is to end with the first', async () => {
    const { ports, hook, log } = hooked({ runs: [run, run], verified: [start], pollMs: 3_600_000 });
    expect(await followTrusted(ports, hook, take)).toEqual(good);
    expect(log.filter((one) => one === 'execute')).toHaveLength(2);
  });

  it.each([
    ['before its files are fetched', [refusal], 0],
    ['after they were', [start, refusal], 1],
  ])('refuses what it is not for %s, and remembers that', async (_, verified, fetched) => {
    const { ports, hook, log } = hooked({ runs: [run], verified });
    let count = 0;
    const counted: typeof take = async (...words) => {
      const found = await take(...words);
      count++;
      return found;
    };
    expect(await followTrusted(ports, hook, counted)).toBeUndefined();
    expect(log).toEqual(['tell following', 'record refused', 'tell refused', 'clear']);
    expect(count).toBe(fetched);
  });

  it('remembers no refusal of a run that the controller listed falsely', async () => {
    const { ports, hook, log } = hooked({ runs: [run], verified: [refusal], isFalse: true });
    await followTrusted(ports, hook, take);
    expect(log).toEqual(['tell following', 'tell refused', 'clear']);
  });

  it('tries again what failed, until the hook refuses it', async () => {
    const { ports, hook, log } = hooked({ runs: [run, run], failed: [undefined, refusal] });
    const failing = () => Promise.reject(new QuorateError('TRANSFER_FAILED', 'no'));
    await followTrusted(ports, hook, failing);
    expect(log).toEqual([
      ...['tell following', 'tell retrying', 'clear', 'record refused', 'tell refused', 'clear'],
    ]);
    const none = hooked({ runs: [{ ...run, artifact: null }], failed: [refusal] });
    await followTrusted(none.ports, none.hook, take);
    expect(none.log).toContain('record refused');
  });

  it('that is ended while it fetches has nothing to say of the run', async () => {
    const { ports, hook, log, stop } = hooked({ runs: [run], failed: [refusal] });
    const ending = async () => {
      stop.abort();
      throw new QuorateError('TRANSFER_FAILED', 'no');
    };
    expect(await followTrusted(ports, hook, ending)).toBeUndefined();
    expect(log).toEqual(['tell following', 'clear']);
  });

  it('ends once its journal takes nothing more, since the clock was set', async () => {
    const jumped = new QuorateError('CLOCK_JUMPED', 'no');
    const { ports, hook } = hooked({ runs: [run], verified: [start] });
    const folder = { ...ports.folder, record: () => Promise.reject(jumped) };
    await expect(followTrusted({ ...ports, folder }, hook, take)).rejects.toBe(jumped);
    const list = async () => ({ jobs: [], equivocations: ['two logs'] });
    const alarms = hooked({ list });
    setTimeout(() => alarms.stop.abort(), 1_000);
    const following = followDisputed({ ...alarms.ports, folder }, undefined, async () => []);
    await expect(following).rejects.toBe(jumped);
  });

  it.each([new QuorateError('HOME_UNREADABLE', 'no'), new TypeError('a mistake')])(
    'ends with an error of this host: %s',
    async (error) => {
      const { ports, hook, log } = hooked({ runs: [run] });
      await expect(followTrusted(ports, hook, () => Promise.reject(error))).rejects.toBe(error);
      expect(log).toEqual(['tell following', 'clear']);
    },
  );

  it('says once that the controller cannot be reached, and ends with other errors', async () => {
    let looks = 0;
    const list = async () => {
      if (++looks < 4) throw new QuorateError('CONTROLLER_UNREACHABLE', 'no');
      return { jobs: [], equivocations: [] };
    };
    const { ports, hook, log } = hooked({ list });
    await followTrusted(ports, hook, take);
    expect([looks, log]).toEqual([4, ['tell following', 'tell waiting']]);
    for (const error of [new QuorateError('JOURNAL_UNWRITABLE', 'no'), new TypeError('a mistake')]) {
      const broken = hooked({ list: () => Promise.reject(error) });
      await expect(followTrusted(broken.ports, broken.hook, take)).rejects.toBe(error);
    }
  });

  it('says again that the controller cannot be reached after it was, and looks with pauses', async () => {
    let looks = 0;
    const list = async () => {
      looks++;
      if (looks % 2 === 1) throw new QuorateError('CONTROLLER_UNREACHABLE', 'no');
      return { jobs: [], equivocations: [] };
    };
    const { ports, hook, log } = hooked({ list, runs: [undefined], pollMs: 25 });
    const began = performance.now();
    await followTrusted(ports, hook, take);
    expect([looks, log]).toEqual([4, ['tell following', 'tell waiting', 'tell waiting']]);
    // 50 after each failed look, 25 after the other one.
    expect(performance.now() - began).toBeGreaterThanOrEqual(120);
  });

  it('ends what a killed process left, first', async () => {
    const { ports, hook, log, ledger } = hooked({});
    ledger.apply(start, 1);
    await followTrusted(ports, hook, take);
    expect(log).toEqual(['record ended', 'tell ended', 'tell following']);
    expect(ledger.get(run.run)).toMatchObject({ state: 'ended', outcome: { kind: 'unknown' } });
  });

  it('is repeated for a run at the word of its owner, where the hook is for it', async () => {
    const { ports, hook, log } = hooked({ verified: [start] });
    expect(await repeatTrusted(ports, hook, take, run)).toEqual(good);
    expect(log.at(-1)).toBe('clear');
    for (const verified of [[refusal], [start, refusal]]) {
      const old = hooked({ verified });
      await expect(repeatTrusted(old.ports, old.hook, take, run)).rejects.toMatchObject({
        code: 'HOOK_OLDER',
      });
      expect(old.log).toEqual(['clear']);
    }
    const error = new QuorateError('TRANSFER_FAILED', 'no');
    await expect(repeatTrusted(ports, hook, () => Promise.reject(error), run)).rejects.toBe(error);
  });
});

it('a hook for disputes runs for evidence against the log once, whoever tells it', async () => {
  const list = async () => ({ jobs: [], equivocations: ['two\nstories'] });
  const { ports, log, envs, stop } = hooked({ list });
  let looks = 0;
  const proven = async () => {
    if (++looks === 3) stop.abort();
    return ['two\nstories'];
  };
  expect(await followDisputed(ports, undefined, proven)).toEqual(good);
  expect(log.filter((one) => one === 'execute')).toHaveLength(1);
  expect(envs[0]).toMatchObject({ QUORATE_EVENT: 'equivocation', QUORATE_PROJECT: 'p' });
  expect(envs[0]?.QUORATE_REASON).not.toContain('\n');
});
