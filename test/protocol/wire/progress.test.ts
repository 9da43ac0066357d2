import { describe, expect, it } from 'vitest';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { decodeMessage } from '../../../src/protocol/wire/messages.ts';
import { progressKinds, progressSchema } from '../../../src/protocol/wire/progress.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { sampleOf } from '../../support/sample.ts';

const decoded = (value: unknown) => decodeMessage(toUtf8(JSON.stringify(value)), progressSchema, 'progress');

describe('the progress of a run', () => {
  const samples = progressKinds.map((schema) => sampleOf(schema) as Record<string, unknown>);

  it.each(samples.map((sample) => [String(sample.kind), sample] as const))(
    '%s is read, without members that are not known',
    (_, sample) => {
      expect(decoded({ ...sample, newer: { deep: [[]] } })).toEqual(sample);
    },
  );

  it.each(samples.map((sample) => [String(sample.kind), sample] as const))(
    '%s with a member that is missing, or of another type, is refused with a code',
    async (kind, sample) => {
      for (const name of Object.keys(sample).filter((key) => key !== 'kind')) {
        for (const bad of [undefined, { a: 1 }, 'x'.repeat(100_000)]) {
          const changed = { ...sample, [name]: bad };
          // Some members may be absent.
          const code = await codeOf(async () => void decoded(changed));
          if (bad === undefined && code === undefined) continue;
          expect(code, `${kind}.${name} ${JSON.stringify(bad)?.slice(0, 20)}`).toBe('WIRE_INVALID');
        }
      }
    },
  );

  it.each(['the trusted worker', 'bob (trusted worker)', 'ada, bob', 'x and 2 more', ''])(
    'with an operator named "%s", as our own words are, is refused',
    async (operator) => {
      let named = 0;
      for (const sample of samples) {
        if (sample.kind === 'acknowledged') continue;
        const renamed = JSON.stringify(sample, (key, value) => {
          if (key === 'operator' || (key === 'by' && !Array.isArray(value))) return operator;
          return key === 'by' || (key === 'operators' && Array.isArray(value)) ? [operator] : value;
        });
        if (renamed === JSON.stringify(sample)) continue;
        named++;
        const code = await codeOf(async () => void decoded(JSON.parse(renamed)));
        expect(code, String(sample.kind)).toBe('WIRE_INVALID');
      }
      expect(named).toBeGreaterThan(5);
    },
  );

  it.each(['Ada Lovelace', 'ada@company.example', 'somebody who is signed in'])(
    'tells that "%s" has looked at an alarm, as an account is called',
    (by) => expect(decoded({ kind: 'acknowledged', by })).toEqual({ kind: 'acknowledged', by }),
  );

  it('of a kind that is not known is passed over', () => {
    expect(decoded({ kind: 'later', at: 1 })).toBeNull();
  });
});
