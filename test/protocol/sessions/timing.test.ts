import { expect, it } from 'vitest';
import { errorFrom, MessageStream } from '../../../src/protocol/sessions/message-stream.ts';
import type { Channel, Clock } from '../../../src/protocol/sessions/ports.ts';
import { Followers, Replies } from '../../../src/protocol/sessions/replies.ts';
import { every, pause, spread } from '../../../src/protocol/sessions/timing.ts';

/** A clock whose one timer the test rings, and which it closes. */
class Bell {
  readonly state = { closing: false };
  waits: number[] = [];
  cancelled = 0;
  forgotten = 0;
  ring = () => {};
  close = () => {};
  readonly clock: Clock = Object.assign(this.state, {
    after: (ms: number, act: () => void) => {
      this.waits.push(ms);
      this.ring = act;
      return () => void this.cancelled++;
    },
    onClosing: (act: () => void) => {
      this.close = act;
      return () => void this.forgotten++;
    },
    now: () => 0,
    monotonic: () => 0,
    endOfTurn: queueMicrotask,
  });
}

it('a pause ends after its time, or with the node; it leaves nothing behind', async () => {
  const bell = new Bell();
  const first = pause(bell.clock, 5);
  bell.ring();
  await first;
  expect([bell.waits, bell.forgotten, bell.cancelled]).toEqual([[5], 1, 0]);
  const second = pause(bell.clock, 5);
  bell.close();
  await second;
  expect(bell.cancelled).toBe(1);
});

it('work at intervals goes on until it is stopped, or the node shuts down', () => {
  const bell = new Bell();
  let times = 0;
  const stop = every(bell.clock, 7, () => times++);
  bell.ring();
  bell.ring();
  expect([times, bell.waits]).toEqual([2, [7, 7, 7]]);
  stop();
  expect(bell.cancelled).toBe(1);
  bell.state.closing = true;
  bell.ring();
  expect([times, bell.waits.length]).toEqual([2, 3]);
});

it('nodes wait between nine and eleven tenths of a time', () => {
  expect(['@', ' ', '_'].map((first) => spread({ nonce: () => first }))).toEqual([
    0.9,
    1,
    0.9 + (0.2 * 31) / 64,
  ]);
});

it('a reply is passed to who waits for it, once', async () => {
  const replies = new Replies<string>();
  const heard: string[] = [];
  const token = replies.open((reply) => heard.push(reply));
  replies.answer(token, 'a');
  replies.answer('another', 'b');
  replies.drop(token);
  replies.answer(token, 'c');
  expect(heard).toEqual(['a']);
  let asked = '';
  const answer = await replies.ask(async (own) => {
    asked = own;
    await Promise.resolve();
    replies.answer(own, 'yes');
  });
  replies.answer(asked, 'late');
  expect(answer).toBe('yes');
  expect(await replies.ask(async () => {})).toBeUndefined();
});

it('followers of a run hear of it until they leave', () => {
  const followers = new Followers();
  const heard: string[] = [];
  const [first, second] = ['first', 'second'].map((name) => followers.follow('run', () => heard.push(name)));
  followers.notify('run');
  followers.notify('other');
  first?.();
  followers.notify('run');
  second?.();
  followers.notify('run');
  expect(heard).toEqual(['first', 'second', 'second']);
});

it('a stream counts the bytes of each message, and closes once all have left', async () => {
  const [counted, done]: [number[], string[]] = [[], []];
  const left = Promise.withResolvers<void>();
  const channel = {
    send: async (bytes: Uint8Array) => {
      await left.promise;
      done.push(`sent ${bytes.length}`);
    },
    close: async () => void done.push('close'),
    abort: () => {},
  } as unknown as Channel;
  const stream = new MessageStream<object, never>(channel, {} as never, 'x', (bytes) => counted.push(bytes));
  stream.post({ a: 1 });
  const closed = stream.close();
  await new Promise((resolve) => setImmediate(resolve));
  expect([counted, done]).toEqual([[7], []]);
  left.resolve();
  await closed;
  expect(done).toEqual(['sent 7', 'close']);
});

it('an error without a hint arrives without one', () => {
  expect(errorFrom({ kind: 'error', code: 'JOB_UNKNOWN', message: 'no' }).hint).toBeUndefined();
});
