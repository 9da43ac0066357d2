import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Live, type Source } from '../../src/http/kit/live.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { withLimits } from '../support/with-limits.ts';

class Followed extends EventEmitter {
  destroyed = false;
  writableLength = 0;
  headers: Record<string, string> = {};
  readonly written: string[] = [];
  isEnded = false;

  writeHead(_: number, headers: Record<string, string>): void {
    this.headers = headers;
  }

  write(bytes: Buffer | string): void {
    this.written.push(String(bytes));
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

const everyMs = 1_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
});

/** Followers of one channel whose looks are kept, with what is new as told. */
function channelOf(next: Source['next'], weight?: number) {
  const live = new Live();
  onTestFinished(() => live.close());
  const looks: string[] = [];
  const sent: [number, number | undefined][] = [];
  const state = { isWaiting: false, channels: 0 };
  const source = (): Source => {
    state.channels++;
    const look = (id: string) => {
      looks.push(id);
      return next(id);
    };
    return { everyMs, next: look, ...(weight !== undefined && { weight }) };
  };
  const account = {
    sent: (bytes: number, of?: number) => sent.push([bytes, of]),
    get isWaiting() {
      return state.isWaiting;
    },
  };
  return {
    live,
    looks,
    sent,
    state,
    follow(since = '', over: { method?: string; until?: AbortSignal; response?: Followed } = {}) {
      const { method = 'GET', until, response = new Followed() } = over;
      const c = { env: { outgoing: response, client: 'a', account }, req: { method } };
      const answer = live.follow(c as never, 'one', source, { since, until });
      return { response, answer };
    },
    /** Time for so many looks, after the first. */
    pass: (count = 0) => vi.advanceTimersByTimeAsync(count * everyMs),
  };
}

const news = (id: string, more: object = {}) => ({ name: 'news', data: `d${id}`, id, ...more });

describe('a follower', () => {
  it('is sent what is new as an event, with its id, line by line', async () => {
    const { follow, pass, sent } = channelOf(
      async (id) => (id === '7' ? undefined : news('7', { data: 'a\nb\r\nc\rd' })),
      3,
    );
    const { response, answer } = follow();
    expect(answer.headers.get('x-hono-already-sent')).toBe('true');
    expect(response.headers).toMatchObject({ 'cache-control': 'no-store', 'x-frame-options': 'DENY' });
    await pass();
    const event = 'event: news\nid: 7\ndata: a\ndata: b\ndata: c\ndata: d\n\n';
    expect(response.written).toEqual(['retry: 3000\n\n', event]);
    expect(sent).toEqual([[event.length, 3]]);
    await pass(3);
    expect(response.written).toHaveLength(2);
  });

  it('that asks for the head, or is gone, follows nothing', async () => {
    const { follow, live, state } = channelOf(async () => undefined);
    const gone = new Followed();
    gone.destroyed = true;
    for (const over of [{ method: 'HEAD' }, { response: gone }]) {
      const { answer, response } = follow('', over);
      expect([answer.headers.get('content-type'), response.written]).toEqual([
        'text/event-stream; charset=utf-8',
        [],
      ]);
    }
    const none = live.follow(
      { env: {}, req: { method: 'GET' } } as never,
      'one',
      () => expect.unreachable(),
      { since: '' },
    );
    expect([none.status, live.followers, state.channels]).toEqual([200, 0, 0]);
  });

  it('that has not read what it was sent is dropped above a bound', async () => {
    let n = 0;
    const { follow, pass } = channelOf(async () => news(String(++n)));
    const { response } = follow();
    response.writableLength = httpLimits.followerBufferBytesMax;
    await pass();
    expect([response.destroyed, response.written.length]).toEqual([false, 2]);
    response.writableLength++;
    await pass(1);
    expect([response.destroyed, response.written.length]).toEqual([true, 2]);
  });

  it('that has had its part is looked for later', async () => {
    const { follow, pass, looks, state } = channelOf(async () => news('1'));
    state.isWaiting = true;
    const { response } = follow();
    await pass(2);
    expect(looks).toEqual([]);
    state.isWaiting = false;
    await pass(1);
    expect([looks.length, response.written.length]).toEqual([1, 2]);
  });

  it('hears so often that it is still there, unless something waits to be read', async () => {
    const { follow } = channelOf(async () => undefined);
    const [idle, busy] = [follow().response, follow().response];
    busy.writableLength = 1;
    await vi.advanceTimersByTimeAsync(httpLimits.idleMs / 3 + 1);
    expect([idle.written.at(-1), busy.written.at(-1)]).toEqual([':\n\n', 'retry: 3000\n\n']);
  });

  it('is ended with its session, and not by another one later', async () => {
    const session = new AbortController();
    const { follow, live } = channelOf(async () => undefined);
    const first = follow('', { until: session.signal }).response;
    const second = follow('', { until: session.signal }).response;
    first.emit('close');
    session.abort();
    expect([first.destroyed, second.destroyed, live.followers]).toEqual([false, true, 0]);
  });
});

describe('a channel', () => {
  it('is looked at once for all who have seen the same, and again while somebody follows', async () => {
    const { follow, pass, looks, state } = channelOf(async () => undefined);
    const all = [follow('1'), follow('1'), follow('2')];
    await pass();
    expect([looks, state.channels]).toEqual([['1', '2'], 1]);
    await pass(2);
    expect(looks).toEqual(['1', '2', '1', '2', '1', '2']);
    for (const { response } of all) response.destroy();
    await pass(3);
    expect(looks).toHaveLength(6);
    follow('3');
    await pass();
    expect([looks.at(-1), looks.length, state.channels]).toEqual(['3', 7, 2]);
  });

  it('is looked at for so many groups in a turn, the others first in the next', async () => {
    withLimits(httpLimits, { followerGroupsMax: 2 });
    const { follow, pass, looks } = channelOf(async () => undefined);
    for (const id of ['1', '2', '3']) follow(id);
    await pass();
    expect(looks).toEqual(['1', '2']);
    await pass(1);
    expect(looks.slice(2)).toEqual(['3', '1']);
  });

  it('ends for those who have seen its last event', async () => {
    const { follow, pass, looks, live } = channelOf(async (id) =>
      id === 'end' ? news('end', { last: true }) : undefined,
    );
    const [ended, other] = [follow('end').response, follow('x').response];
    await pass();
    expect([ended.isEnded, other.isEnded, ended.written.length]).toEqual([true, false, 2]);
    await pass(1);
    expect(looks).toEqual(['end', 'x', 'x']);
    ended.emit('close');
    expect(live.followers).toBe(1);
  });

  it('is left by all when its source fails, and they come again', async () => {
    const { follow, pass, looks, live, state } = channelOf(() => Promise.reject(new Error('gone')));
    const all = [follow().response, follow().response];
    await pass();
    expect([all.map(({ destroyed }) => destroyed), live.followers]).toEqual([[true, true], 0]);
    await pass(2);
    expect(looks).toHaveLength(1);
    follow();
    await pass();
    expect([looks.length, state.channels]).toEqual([2, 2]);
  });

  it('is looked at no more once all are closed', async () => {
    const { follow, pass, looks, live } = channelOf(async () => undefined);
    const { response } = follow();
    live.close();
    await pass(3);
    await vi.advanceTimersByTimeAsync(httpLimits.idleMs);
    expect([looks, response.written]).toEqual([[], ['retry: 3000\n\n']]);
  });
});
