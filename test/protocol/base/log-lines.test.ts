import { describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../../src/node/node-events.ts';
import { isLogged, logRecord, logText, withoutSecrets } from '../../../src/protocol/base/log-lines.ts';

const at = Date.UTC(2026, 10, 26, 19, 0, 0, 7);
const event = (over: Partial<NodeEvent> = {}): NodeEvent => ({
  at,
  level: 'warn',
  kind: 'pin',
  says: 'a sentence',
  ...over,
});

describe('a line of a log', () => {
  it('has time, level and kind, on one line whatever was said', () => {
    const record = logRecord('controller', event({ says: 'two\nlines \u001b[31mred\u202e \u0007' }));
    expect(logText(record, { journald: false })).toBe(
      '2026-11-26T19:00:00.007Z warn  pin: two\\x0alines red\\u202e \\x07',
    );
  });

  it.each([
    ['debug', 7],
    ['info', 6],
    ['warn', 4],
    ['error', 3],
  ] as const)('has the priority of syslog for journald: %s is <%i>', (level, priority) => {
    const record = logRecord('worker', event({ level }));
    expect(logText(record, { journald: true })).toBe(`<${priority}>pin: a sentence`);
  });

  it('has the documented fields as JSON', () => {
    const record = logRecord('controller', event({ data: { runs: 2 } }));
    expect(record).toEqual({
      event: 'pin',
      at,
      level: 'warn',
      service: 'controller',
      says: 'a sentence',
      data: { runs: 2 },
    });
    expect(logRecord('controller', event())).not.toHaveProperty('data');
  });

  it('is left out below the least level', () => {
    const levels = ['debug', 'info', 'warn', 'error'] as const;
    expect(levels.filter((level) => isLogged('warn', level))).toEqual(['warn', 'error']);
    expect(levels.filter((level) => isLogged('debug', level))).toEqual([...levels]);
  });
});

describe('secrets are removed from a log:', () => {
  it.each([
    ['join with quorate1.eyJhbGciOi_J-9.abc~d now', 'join with quorate1.[removed] now'],
    [
      'cannot reach https://bob:hunter2@git.example.org/x',
      'cannot reach https://[removed]@git.example.org/x',
    ],
    ['GET /lend?token=abc123&x=1', 'GET /lend?token=[removed]&x=1'],
    ['/callback?code=4%2F0Ab&state=xyz', '/callback?code=[removed]&state=[removed]'],
    ['authorization: Bearer abcdefgh.ijk', 'authorization: Bearer [removed]'],
    ['exit code=1 of state=done', 'exit code=1 of state=done'],
  ])('%s', (said, logged) => expect(withoutSecrets(said)).toBe(logged));

  it('in the data of an event, however deep', () => {
    const { data } = logRecord('controller', event({ data: { a: [{ url: 'https://u:p@host/' }], b: null } }));
    expect(data).toEqual({ a: [{ url: 'https://[removed]@host/' }], b: null });
  });

  it('and nothing of the data that lies deeper than eight levels', () => {
    const nest = (levels: number, inner: unknown, wrap: (value: unknown) => unknown): unknown =>
      levels === 0 ? inner : nest(levels - 1, wrap(inner), wrap);
    for (const wrap of [(value: unknown) => [value], (value: unknown) => ({ a: value })]) {
      const of = (levels: number) =>
        logRecord('controller', event({ data: { a: nest(levels, 1, wrap) } })).data;
      expect(of(7)).toEqual({ a: nest(7, 1, wrap) });
      expect(of(8)).toEqual({ a: nest(7, null, wrap) });
    }
  });

  it('and no more than 500 characters of a sentence', () => {
    const line = (length: number) =>
      logText(logRecord('worker', event({ says: 'a'.repeat(length) })), { journald: true });
    expect([line(500).length, line(501).endsWith('a … (cut)')]).toEqual(['<4>pin: '.length + 500, true]);
  });
});
