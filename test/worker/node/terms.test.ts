import { availableParallelism, totalmem } from 'node:os';
import { expect, it } from 'vitest';
import type { Lending } from '../../../src/worker/machine/events.ts';
import {
  checkDisk,
  checkHeld,
  checkServed,
  checkTerms,
  type OperatorRules,
  unheeded,
} from '../../../src/worker/node/terms.ts';

const MiB = 2 ** 20;
const lending = (
  over: Partial<Lending> = {},
  capabilities: Partial<Lending['capabilities']> = {},
): Lending => ({
  capabilities: {
    arch: 'x86_64',
    cpus: 1,
    memoryBytes: 64 * MiB,
    diskBytes: 64 * MiB,
    tiers: ['namespace'],
    ...capabilities,
  },
  jobsAtOnce: 1,
  ...over,
});

function codeOf(act: () => void): string {
  try {
    act();
    return 'taken';
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    expect(hint).not.toBe('');
    return `${code} ${message}`;
  }
}

it.each<[string, Lending, Partial<OperatorRules>, RegExp]>([
  ['all of it fits', lending(), {}, /^taken$/],
  [
    'all that there is',
    lending({}, { cpus: availableParallelism(), memoryBytes: totalmem() }),
    { pauseAboveLoad: availableParallelism() - 0.1 },
    /^taken$/,
  ],
  [
    'no more than a job needs',
    lending({ pids: 8 }, { memoryBytes: 16 * MiB, diskBytes: MiB }),
    {},
    /^taken$/,
  ],
  ['cpus', lending({}, { cpus: availableParallelism() + 1 }), {}, /^LIMITS_INVALID cpus: /],
  ['memory', lending({}, { memoryBytes: totalmem() + 1 }), {}, /^LIMITS_INVALID memory: /],
  ['processes', lending({ pids: 10_000_000 }), {}, /^LIMITS_INVALID processes: /],
  ['load', lending(), { pauseAboveLoad: availableParallelism() }, /^LIMITS_INVALID pause_above_load: /],
  ['jobs without cpus', lending({ jobsAtOnce: 2 }), {}, /^LIMITS_INVALID jobs: 2 at once need as many cpus/],
  [
    'memory no job fits in',
    lending({}, { memoryBytes: 8 * MiB, diskBytes: MiB }),
    {},
    /^LIMITS_INVALID memory: /,
  ],
  ['too few processes', lending({ pids: 4 }), {}, /^LIMITS_INVALID processes: /],
  ['time that cannot be', lending({ seconds: 60 }), { processorSeconds: 61 }, /^LIMITS_INVALID cpu_time: /],
  [
    'memory by far too little',
    lending({ jobsAtOnce: 1 }, { memoryBytes: 8 * MiB, diskBytes: MiB }),
    {},
    /memory: 1 job at once need at least 16 MiB; 8 MiB are lent$/,
  ],
  ['time that can be', lending({ seconds: 60 }), { processorSeconds: 60 }, /^taken$/],
])('%s', (_, wanted, rules, says) => {
  expect(codeOf(() => checkTerms(wanted, { hours: [], ...rules }))).toMatch(says);
});

const able = { freeze: true, processorTime: true, idle: true, ioWeight: true, disk: true };

it('more disk than memory is lent where builds can write to a disk', () => {
  const wanted = lending({}, { memoryBytes: 2048 * MiB, diskBytes: 2049 * MiB });
  expect(codeOf(() => checkDisk(wanted, able))).toBe('taken');
  expect(codeOf(() => checkDisk(wanted, { disk: false }))).toMatch(
    /^LIMITS_INVALID disk: .* of which 2048 MiB are lent, not 2049 MiB$/,
  );
  expect(codeOf(() => checkDisk(lending(), { disk: false }))).toBe('taken');
  expect(codeOf(() => checkDisk(lending({}, { diskBytes: MiB }), { disk: false }))).toBe('taken');
});

it('a rule that the kernel cannot hold is not promised', () => {
  const rules: OperatorRules = { hours: [], processorSeconds: 60, pauseAboveLoad: 1 };
  expect(codeOf(() => checkHeld(rules, able))).toBe('taken');
  expect(codeOf(() => checkHeld(rules, { ...able, processorTime: false }))).toMatch(
    /^LIMITS_NOT_ENFORCEABLE cpu_time/,
  );
  expect(codeOf(() => checkHeld(rules, { ...able, freeze: false }))).toMatch(
    /^LIMITS_NOT_ENFORCEABLE pause_above/,
  );
  expect(codeOf(() => checkHeld({ hours: [] }, { ...able, freeze: false }))).toBe('taken');
});

it('a wish that nothing heeds is said', () => {
  const rules: OperatorRules = { hours: [], ioWeight: 5, processor: 'idle' };
  expect(unheeded(rules, able)).toEqual([]);
  expect(unheeded(rules, { ...able, ioWeight: false, idle: false })).toHaveLength(2);
  expect(unheeded({ hours: [] }, { ...able, ioWeight: false, idle: false })).toEqual([]);
});

it('serves the projects that are listed, and where none are, those it joined', () => {
  expect(codeOf(() => checkServed({ hours: [] }, 'a'))).toBe('taken');
  expect(codeOf(() => checkServed({ hours: [], serve: ['a', 'b'] }, 'b'))).toBe('taken');
  expect(codeOf(() => checkServed({ hours: [], serve: ['a'] }, 'b'))).toMatch(/^PROJECT_NOT_SERVED .* b$/);
});

it('a wish that does not fit is named as its giver finds it', () => {
  const where = (key: string) => `worker.toml:3: lend.${key}`;
  const wanted = lending({}, { memoryBytes: totalmem() + MiB });
  expect(codeOf(() => checkTerms(wanted, { hours: [] }, where))).toMatch(
    /^LIMITS_INVALID worker\.toml:3: lend\.memory: [\d.]+ [MG]iB is more than this host has \([\d.]+ [MG]iB\)$/,
  );
  expect(
    codeOf(() => checkHeld({ hours: [], processorSeconds: 60 }, { ...able, processorTime: false }, where)),
  ).toMatch(/^LIMITS_NOT_ENFORCEABLE worker\.toml:3: lend\.cpu_time: /);
});
