import { describe, expect, it } from 'vitest';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { wireLimits } from '../../../src/protocol/wire/limits.ts';
import { decodeMessage, encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { kinds } from '../../fuzz/targets/wire.ts';

/** An event, its time, or a job in these that does not decode hides no others. */
const apart = (message: object) =>
  'progress' in message ? ['at', 'progress'] : ['history', 'jobs', 'pipeline'];
const unknown = { zz: { from: 'a later version' } };

/** With an unknown member in each object; progress is what its kind says. */
function grown(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => grown(one));
  if (typeof value !== 'object' || value === null || key === 'progress') return value;
  const members = Object.entries(value).map(([name, one]) => [name, grown(one, name)]);
  return { ...Object.fromEntries(members), ...unknown };
}

describe.each(kinds)('messages of %s', (_name, schema, valid) => {
  it.each(valid.map((message) => [JSON.stringify(message), message]))(
    'leave out what this version does not know: %s',
    (_text, message) => {
      const decode = (value: unknown) => decodeMessage(encodeMessage(value), schema, 'a message');
      expect(decode(grown(message))).toEqual(decode(message));
    },
  );

  it('are refused where anything in them is nested deeper than the bound', () => {
    const { jsonDepthMax } = wireLimits;
    const nested = (message: object, depth: number) =>
      `${JSON.stringify(message).slice(0, -1)},"zz":${'['.repeat(depth - 1)}"[{"${']'.repeat(depth - 1)}}`;
    for (const message of valid.filter((one) => !Array.isArray(one))) {
      expect(decodeMessage(toUtf8(nested(message, jsonDepthMax)), schema, 'it')).toBeDefined();
      for (const depth of [jsonDepthMax + 1, 200_000])
        expect(() => decodeMessage(toUtf8(nested(message, depth)), schema, 'it')).toThrow(
          expect.objectContaining({ code: 'WIRE_INVALID', message: expect.stringContaining('deeper') }),
        );
    }
  });

  it('check what it knows beside that', () => {
    for (const message of valid)
      for (const key of Object.keys(message).filter((one) => !apart(message).includes(one)))
        expect(() =>
          decodeMessage(encodeMessage({ ...message, ...unknown, [key]: [[]] }), schema, 'it'),
        ).toThrow(expect.objectContaining({ code: 'WIRE_INVALID' }));
  });
});
