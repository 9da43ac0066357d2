import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { returnPath } from '../../src/http/sign-in/browser-routes.ts';
import { signInLimits } from '../../src/http/sign-in/limits.ts';
import { OneTimeCodes, Remembered, UsedNames } from '../../src/http/sign-in/once.ts';
import { Sealer } from '../../src/http/sign-in/sealed.ts';
import { type Right, Sessions } from '../../src/http/sign-in/sessions.ts';
import { DeviceFlow } from '../../src/http/sign-in/terminal-routes.ts';
import { withLimits } from '../support/with-limits.ts';

const rightOf = (person: string): Right => ({ person, name: person, role: () => 'reader' });
const refused = (code: string) => expect.objectContaining({ code });

/** A clock in milliseconds that is moved by hand. */
function clock() {
  const time = { ms: 1_700_000_000_000 };
  return { time, now: () => time.ms };
}

describe('values that are remembered until a time', () => {
  it('is known up to that moment, and no longer', () => {
    const { time, now } = clock();
    const made = new Remembered<string>(10, now);
    made.set('a', 'x', time.ms + 1000);
    time.ms += 1000;
    expect(made.get('a')).toBe('x');
    // The next one does not take the place of one that holds still.
    made.set('b', 'y', time.ms + 1000);
    expect(made.get('a')).toBe('x');
    time.ms += 1;
    expect([made.get('a'), made.take('a'), made.get('b')]).toEqual([undefined, undefined, 'y']);
  });

  it('gives its place, the oldest first, where there are as many as there may be', () => {
    const { time, now } = clock();
    const made = new Remembered<number>(3, now);
    for (const n of [1, 2, 3]) made.set(String(n), n, time.ms + n);
    expect(made.get('1')).toBe(1);
    made.set('4', 4, time.ms + 4);
    expect(['1', '2', '3', '4'].map((name) => made.get(name))).toEqual([undefined, 2, 3, 4]);
    // Those that are over make room at once.
    time.ms += 3;
    made.set('5', 5, time.ms);
    time.ms -= 3;
    expect(['2', '3', '4', '5'].map((name) => made.get(name))).toEqual([undefined, 3, 4, 5]);
  });

  it('is taken once', () => {
    const made = new Remembered<string>(3, () => 0);
    made.set('a', 'x', 1);
    expect([made.take('a'), made.take('a'), made.get('a')]).toEqual(['x', undefined, undefined]);
  });
});

it('a name counts once, as long as it could be used', () => {
  withLimits(signInLimits, { usedMax: 2 });
  const { time, now } = clock();
  const used = new UsedNames(now);
  const until = time.ms + 1000;
  expect([used.use('a', until), used.use('a', until)]).toEqual([true, false]);
  time.ms = until;
  expect([used.use('b', until), used.use('a', until)]).toEqual([true, false]);
  expect([used.use('c', until), used.use('a', until)]).toEqual([true, true]);
});

it('a one-time code gives its value once, for a minute', () => {
  const { time, now } = clock();
  const codes = new OneTimeCodes<string>(now);
  const [a, b] = [codes.make('a', 'ada'), codes.make('b', 'bob')];
  expect([codes.peek(a), codes.peek('unknown'), codes.take(a), codes.peek(a)]).toEqual([
    ...['a', undefined],
    ...['a', undefined],
  ]);
  for (const code of [a, 'unknown', '']) expect(() => codes.take(code)).toThrow(refused('SIGN_IN_CODE'));
  time.ms += signInLimits.codeSecondsMax * 1000;
  expect(codes.peek(b)).toBe('b');
  time.ms += 1;
  expect(() => codes.take(b)).toThrow(refused('SIGN_IN_CODE'));
});

it('one person pushes out no code of another', () => {
  withLimits(signInLimits, { codesMax: 4, codesPerPersonMax: 2 });
  const { now } = clock();
  const codes = new OneTimeCodes<number>(now);
  const ada = codes.make(0, 'ada');
  const eve = [1, 2, 3, 4, 5].map((n) => codes.make(n, 'eve'));
  expect(eve.map((code) => codes.peek(code))).toEqual([undefined, undefined, undefined, 4, 5]);
  expect(codes.peek(ada)).toBe(0);
});

describe('the code of a terminal', () => {
  function flowOf() {
    const { time, now } = clock();
    return { time, flow: new DeviceFlow(new Sealer(now), now) };
  }

  it('signs it in once, after it was confirmed, however it is typed', async () => {
    const { flow } = flowOf();
    const { deviceCode, userCode } = await flow.begin();
    expect(userCode).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}$/);
    expect(await flow.ask(deviceCode)).toEqual({ error: 'authorization_pending' });
    const right = rightOf('ada');
    flow.confirm(` ${userCode.toLowerCase().replace('-', ' ')} `, right);
    // A second person does not take its place.
    expect(() => flow.confirm(userCode, rightOf('eve'))).toThrow(refused('SIGN_IN_CODE'));
    expect(await flow.ask(deviceCode)).toEqual({ right });
    expect(await flow.ask(deviceCode)).toEqual({ error: 'authorization_pending' });
    flow.confirm(userCode, right);
    expect(await flow.ask(deviceCode)).toEqual({ error: 'invalid_grant' });
  });

  it('is confirmed though another person confirms many', async () => {
    withLimits(signInLimits, { codesMax: 4, codesPerPersonMax: 2 });
    const { flow } = flowOf();
    const { deviceCode, userCode } = await flow.begin();
    const right = rightOf('ada');
    flow.confirm(userCode, right);
    for (let n = 0; n < 5; n++) flow.confirm((await flow.begin()).userCode, rightOf('eve'));
    expect(await flow.ask(deviceCode)).toEqual({ right });
  });

  it('is of no use after its time, nor confirmed where it is not one', async () => {
    const { flow, time } = flowOf();
    const { deviceCode, userCode } = await flow.begin();
    const last = userCode.endsWith('B') ? 'C' : 'B';
    for (const wrong of [userCode.slice(0, -1), `${userCode}B`, userCode.slice(0, -1) + last])
      expect(() => flow.confirm(wrong, rightOf('ada'))).toThrow(refused('SIGN_IN_CODE'));
    flow.confirm(userCode, rightOf('ada'));
    time.ms += signInLimits.deviceSecondsMax * 1000 + 1000;
    expect(await flow.ask(deviceCode)).toEqual({ error: 'expired_token' });
    expect(await flow.ask('nonsense')).toEqual({ error: 'expired_token' });
  });
});

it('sealed state is of one kind, of one process and of its time; what is no state of ours is a failure', async () => {
  const { time, now } = clock();
  const sealer = new Sealer(now);
  const text = await sealer.seal('device', { code: 'x' }, 10);
  expect(await sealer.open('device', text)).toMatchObject({ code: 'x' });
  expect(await sealer.open('transaction', text)).toBeUndefined();
  expect(await new Sealer(now).open('device', text)).toBeUndefined();
  time.ms += 10_000;
  expect(await sealer.open('device', text)).toBeUndefined();
  const broken = new Sealer(() => {
    throw new RangeError('no clock');
  });
  await expect(broken.open('device', text)).rejects.toThrow('no clock');
});

describe('sessions', () => {
  function sessionsOf() {
    const { time, now } = clock();
    const lifetimes = { sessionMs: 10_000, idleMs: 1_000 };
    const sessions = new Sessions({ lifetimes: () => lifetimes, now });
    onTestFinished(() => sessions.close());
    return { time, sessions };
  }

  it.each([
    ['browser', 1_000],
    ['terminal', 1_000],
    // A service asks without the person.
    ['service', 10_000],
  ] as const)('of a %s end %d ms after it was used last', (kind, ms) => {
    const { time, sessions } = sessionsOf();
    const { secret, session } = sessions.start(rightOf('ada'), kind);
    time.ms += ms;
    expect(sessions.find(secret, kind)).toBe(session);
    time.ms += ms + 1;
    expect([sessions.find(secret, kind), session.ended.aborted, sessions.size]).toEqual([undefined, true, 0]);
  });

  it('end after their time, however often they are used', () => {
    const { time, sessions } = sessionsOf();
    const { secret, session } = sessions.start(rightOf('ada'), 'browser');
    for (let n = 0; n < 10; n++) {
      time.ms += 1_000;
      expect(sessions.find(secret, 'browser')).toBe(session);
    }
    time.ms += 1;
    expect(sessions.find(secret, 'browser')).toBeUndefined();
  });

  it('say whose they are, and the operator of a key', () => {
    const { sessions } = sessionsOf();
    const { session } = sessions.start({ ...rightOf('ada'), operator: 'o' }, 'browser');
    expect(session).toMatchObject({ person: 'ada', name: 'ada', role: 'reader', operator: 'o' });
    expect(sessions.start(rightOf('bob'), 'browser').session).not.toHaveProperty('operator');
  });

  it('are found by their secret and kind only, and end once', () => {
    const { sessions } = sessionsOf();
    const { secret, session } = sessions.start(rightOf('ada'), 'browser');
    expect([sessions.find(secret, 'terminal'), sessions.find('other', 'browser')]).toEqual([
      undefined,
      undefined,
    ]);
    sessions.end('other');
    expect([session.ended.aborted, sessions.size]).toEqual([false, 1]);
    sessions.end(secret);
    sessions.end(secret);
    expect([session.ended.aborted, sessions.size]).toEqual([true, 0]);
  });

  it('of one person are so many: the oldest that holds still ends', () => {
    withLimits(signInLimits, { sessionsPerPersonMax: 3 });
    const { time, sessions } = sessionsOf();
    const start = (person: string) => sessions.start(rightOf(person), 'browser').session.ended;
    const other = start('bob');
    const all = [start('ada'), start('ada'), start('ada')];
    expect(all.some(({ aborted }) => aborted)).toBe(false);
    all.push(start('ada'));
    expect(all.map(({ aborted }) => aborted)).toEqual([true, false, false, false]);
    // One that was ended leaves its place to the next one.
    sessions.end(sessions.start(rightOf('ada'), 'browser').secret);
    all.push(start('ada'));
    expect(all.map(({ aborted }) => aborted)).toEqual([true, true, false, false, false]);
    all.pop();
    // Those that are over make room first.
    time.ms += 1_001;
    all.push(start('ada'));
    expect([...all, other].map(({ aborted }) => aborted)).toEqual([true, true, true, true, false, false]);
  });

  it('are so many of all people, and one more is refused', () => {
    withLimits(signInLimits, { sessionsMax: 2 });
    const { sessions } = sessionsOf();
    const { secret } = sessions.start(rightOf('ada'), 'browser');
    sessions.start(rightOf('bob'), 'browser');
    expect(() => sessions.start(rightOf('cy'), 'browser')).toThrow(refused('SIGN_IN_BUSY'));
    sessions.end(secret);
    sessions.start(rightOf('cy'), 'browser');
    expect(sessions.size).toBe(2);
  });

  it('of a person without a role, or with another one, are none', () => {
    const { sessions } = sessionsOf();
    let role: 'publisher' | 'reader' | undefined;
    const right: Right = { person: 'ada', name: 'Ada', role: () => role };
    expect(() => sessions.start(right, 'browser')).toThrow(refused('SIGN_IN_NO_ROLE'));
    role = 'publisher';
    const { secret } = sessions.start(right, 'browser');
    role = 'reader';
    expect(sessions.find(secret, 'browser')).toBeUndefined();
  });

  it('that are over end by themselves, also where nobody asks for them', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { time, sessions } = sessionsOf();
    const first = sessions.start(rightOf('ada'), 'browser');
    const second = sessions.start(rightOf('bob'), 'browser');
    time.ms += 900;
    sessions.find(second.secret, 'browser');
    time.ms += 101;
    await vi.advanceTimersByTimeAsync(signInLimits.sweepMs);
    expect([first.session.ended.aborted, second.session.ended.aborted, sessions.size]).toEqual([
      ...[true, false],
      1,
    ]);
    time.ms += 1_000;
    await vi.advanceTimersByTimeAsync(signInLimits.sweepMs);
    expect([second.session.ended.aborted, sessions.size]).toEqual([true, 0]);
    // It goes on with the next one.
    const third = sessions.start(rightOf('cy'), 'browser');
    time.ms += 1_001;
    await vi.advanceTimersByTimeAsync(signInLimits.sweepMs);
    expect(third.session.ended.aborted).toBe(true);
  });

  it('are looked at in slices, between which others have their turn', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const { sessions } = sessionsOf();
    const order: string[] = [];
    for (const name of ['ada', 'bob']) {
      const looked = { is: false };
      const role = () => {
        if (looked.is) {
          order.push(name);
          vi.advanceTimersByTime(10);
        }
        return 'reader' as const;
      };
      sessions.start({ person: name, name, role }, 'browser');
      looked.is = true;
    }
    setImmediate(() => order.push('another'));
    vi.advanceTimersByTime(signInLimits.sweepMs);
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(order.slice(0, 3)).toEqual(['ada', 'another', 'bob']);
  });

  it('end all at once, none is looked at any more, and new ones are', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { sessions, time } = sessionsOf();
    const { session } = sessions.start(rightOf('ada'), 'browser');
    sessions.close();
    expect([session.ended.aborted, sessions.size]).toEqual([true, 0]);
    const next = sessions.start(rightOf('bob'), 'browser').session;
    time.ms += 1_001;
    await vi.advanceTimersByTimeAsync(signInLimits.sweepMs);
    expect(next.ended.aborted).toBe(true);
  });
});

it('a path to return to has as many characters as it may', () => {
  const path = `/${'a'.repeat(signInLimits.returnCharsMax - 1)}`;
  expect([returnPath(path), returnPath(`${path}a`)]).toEqual([path, '/']);
  for (const elsewhere of ['//x', '//[', '/a\\b', '/\\x', '/.//x', 'https://x', '/ü', '/a b', '', undefined])
    expect([elsewhere, returnPath(elsewhere)]).toEqual([elsewhere, '/']);
});
