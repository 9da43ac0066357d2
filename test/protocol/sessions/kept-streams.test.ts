import { describe, expect, it } from 'vitest';
import { Network, type Node } from '../../../simulations/network.ts';
import { Random } from '../../../simulations/random.ts';
import { calm } from '../../../simulations/rates.ts';
import { Scheduler } from '../../../simulations/scheduler.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import { ask } from '../../../src/protocol/sessions/ask.ts';
import { keepStreams } from '../../../src/protocol/sessions/kept-streams.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, Dial } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';

const peer = { id: 'server', addrs: [] };
const options = { timeoutMs: 1_000, maxMessageBytes: 1_000 };

/** A client with kept streams and a server that `serve` gives each stream to, in simulated time. */
function pair(serve: (channel: Channel) => Promise<void>) {
  const time = new Scheduler(() => new Promise((resolve) => setImmediate(resolve)));
  const network = new Network(time, new Random('1'), calm);
  const node = (name: string): Node => ({ name, id: name, up: true, life: 1, accept: () => {} });
  const server: Node = { ...node('server'), accept: (_, channel) => void serve(channel).catch(() => {}) };
  const client = node('client');
  let dialled = 0;
  const closing: (() => void)[] = [];
  const dial: Dial = (_peer, protocol) => {
    dialled++;
    return network.dial(client, server, protocol);
  };
  const clock = {
    closing: false,
    onClosing(act: () => void) {
      closing.push(act);
      return () => {};
    },
  };
  return {
    dial: keepStreams(dial, clock),
    count: () => dialled,
    stop() {
      for (const act of closing) act();
    },
    /** Lets time pass until `work` is done. */
    async during<T>(work: Promise<T>): Promise<T> {
      let settled = false;
      const end = () => {
        settled = true;
      };
      work.then(end, end);
      await time.run(time.now + 600_000, () => settled);
      return work;
    },
    wait: (ms: number) => time.run(time.now + ms),
  };
}

async function echo(channel: Channel): Promise<void> {
  for (;;) {
    const said = await channel.receive();
    if (said === undefined) return channel.close();
    await channel.send(said);
  }
}

async function talk(dial: Dial, text: string, protocol = '/echo'): Promise<string> {
  const channel = await dial(peer, protocol, options);
  await channel.send(toUtf8(text));
  const answer = await channel.receive();
  channel.kept?.release();
  return answer === undefined ? 'nothing' : fromUtf8(answer);
}

describe('streams that are kept', () => {
  it('carry one conversation after the other', async () => {
    const { dial, count, during } = pair(echo);
    for (const text of ['a', 'b', 'c']) expect(await during(talk(dial, text))).toBe(text);
    expect(count()).toBe(1);
  });

  it('control: each has its own where none is released', async () => {
    const { dial, count, during } = pair(echo);
    const apart: Dial = async (...args) => {
      const channel = await dial(...args);
      return {
        ...channel,
        peer: 'server',
        closed: false,
        send: (m) => channel.send(m),
        receive: () => channel.receive(),
        close: () => channel.close(),
        abort: () => {},
      };
    };
    for (const text of ['a', 'b']) expect(await during(talk(apart, text))).toBe(text);
    expect(count()).toBe(2);
  });

  it('are not shared by two at once, nor by two protocols', async () => {
    const { dial, count, during } = pair(echo);
    const both = await during(Promise.all([talk(dial, 'a'), talk(dial, 'b')]));
    expect(both).toEqual(['a', 'b']);
    expect(count()).toBe(2);
    await during(talk(dial, 'c', '/other'));
    expect(count()).toBe(3);
  });

  it('end when nobody uses them, and with the node', async () => {
    let open = 0;
    const { dial, during, wait, stop } = pair(async (channel) => {
      open++;
      await echo(channel);
      open--;
    });
    await during(talk(dial, 'a'));
    await wait(sessionLimits.keptStreamMs / 2);
    expect(open).toBe(1);
    await wait(sessionLimits.keptStreamMs);
    expect(open).toBe(0);
    await during(talk(dial, 'b'));
    stop();
    await wait(1_000);
    expect(open).toBe(0);
  });

  it('are at most so many', async () => {
    let open = 0;
    const { dial, during, wait } = pair(async (channel) => {
      open++;
      await echo(channel);
      open--;
    });
    const texts = Array.from({ length: sessionLimits.keptStreamsMax + 4 }, (_, n) => `${n}`);
    await during(Promise.all(texts.map((text) => talk(dial, text))));
    await wait(1_000);
    expect(open).toBe(sessionLimits.keptStreamsMax);
  });

  it('are not used again once the peer has said something unasked, or has ended them', async () => {
    const late = pair(async (channel) => {
      const said = await channel.receive();
      if (said !== undefined) await channel.send(said);
      await channel.send(toUtf8('of before'));
      await echo(channel);
    });
    expect(await late.during(talk(late.dial, 'a'))).toBe('a');
    await late.wait(1_000);
    expect(await late.during(talk(late.dial, 'b'))).toBe('b');
    expect(late.count()).toBe(2);
    const once = pair(async (channel) => {
      const said = await channel.receive();
      if (said !== undefined) await channel.send(said);
      await channel.close();
    });
    await once.during(talk(once.dial, 'a'));
    await once.wait(1_000);
    expect(await once.during(talk(once.dial, 'b'))).toBe('b');
    expect(once.count()).toBe(2);
  });
});

describe('a question on a stream that was kept too long', () => {
  const charter = encodeMessage({ kind: 'charter', charter: 'x' });

  it('is asked again on a new one', async () => {
    let streams = 0;
    const { dial, count, during } = pair(async (channel) => {
      const first = ++streams === 1;
      await channel.receive();
      await channel.send(charter);
      // Gone before the second question has come.
      if (first) await channel.close();
      else await echo(channel);
    });
    const asked = () => ask(dial, [peer], { kind: 'charter' });
    await during(asked());
    expect(await during(asked())).toMatchObject({ answer: { charter: 'x' } });
    expect(count()).toBe(2);
  });

  it('is not asked again where the controller only takes its time', async () => {
    const { dial, count, during } = pair(async (channel) => {
      await channel.receive();
      await channel.send(charter);
      await channel.receive();
    });
    const asked = () => ask(dial, [peer], { kind: 'charter' });
    await during(asked());
    await expect(during(asked())).rejects.toMatchObject({ code: 'MESH_TIMEOUT' });
    expect(count()).toBe(1);
  });
});

it('a stream that its peer ended, or that was given up, is not given to the next caller', async () => {
  const ended: ((message?: Uint8Array) => void)[] = [];
  const opened: Channel[] = [];
  const dial = keepStreams(
    async () => {
      const channel = {
        peer: 'server',
        closed: false,
        send: async () => {},
        abort: () => {},
        close: async () => {},
        receive: () => new Promise<Uint8Array | undefined>((resolve) => ended.push(resolve)),
      };
      opened.push(channel);
      return channel;
    },
    { closing: false, onClosing: () => () => {} },
  );
  const first = await dial(peer, '/x', options);
  first.kept?.release();
  ended[0]?.();
  await new Promise(setImmediate);
  const second = await dial(peer, '/x', options);
  expect(opened).toHaveLength(2);
  second.kept?.release();
  second.abort(new Error('given up'));
  const third = await dial(peer, '/x', options);
  expect(opened).toHaveLength(3);
  third.kept?.release();
  await dial(peer, '/x', options);
  expect(opened).toHaveLength(3);
});

describe('a stream that was kept', () => {
  const quiet = { closing: false, onClosing: () => () => {} };
  /** Streams of one dial, whose first read ends as `watches` say. */
  function kept(...watches: Promise<Uint8Array | undefined>[]) {
    const done: string[] = [];
    let dialled = 0;
    const opened: Dial = async ({ id }) => {
      const n = ++dialled;
      return {
        peer: id ?? '',
        closed: false,
        send: async () => {},
        receive: () => {
          done.push(`receive ${n}`);
          return watches.shift() ?? Promise.resolve(toUtf8('said'));
        },
        close: async () => void done.push(`close ${n}`),
        abort: () => void done.push(`abort ${n}`),
      };
    };
    return { opened, done, dial: keepStreams(opened, quiet) };
  }
  const open = () => new Promise<never>(() => {});
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('is none where whoever is there was dialled', async () => {
    const { dial } = kept();
    expect((await dial({ id: null, addrs: [] }, '/echo', options)).kept).toBeUndefined();
    expect((await dial(peer, '/echo', options)).kept).toBeDefined();
  });

  it('is read again where the wait of nobody ends, and tells of what else ended it', async () => {
    const late = Promise.withResolvers<undefined>();
    const gone = Promise.withResolvers<undefined>();
    const { dial, done } = kept(late.promise, Promise.resolve(toUtf8('said')), gone.promise);
    const first = await dial(peer, '/echo', options);
    first.kept?.release();
    first.kept?.release();
    expect(done).toEqual(['receive 1']);
    const again = await dial(peer, '/echo', options);
    late.reject(reportedError('MESH_TIMEOUT', 'nothing came'));
    expect(await again.receive()).toEqual(toUtf8('said'));
    await turn();
    expect(done).toEqual(['receive 1', 'receive 1']);
    again.kept?.release();
    const third = await dial(peer, '/echo', options);
    gone.reject(reportedError('MESH_RESET', 'gone'));
    await expect(third.receive()).rejects.toMatchObject({ code: 'MESH_RESET' });
    third.abort(new Error('over'));
    expect(done.at(-1)).toBe('abort 1');
  });

  it('that ends takes no other with it', async () => {
    const ends = Promise.withResolvers<undefined>();
    const { dial, done } = kept(ends.promise, open());
    const [first, second] = [await dial(peer, '/echo', options), await dial(peer, '/echo', options)];
    first.kept?.release();
    second.kept?.release();
    ends.resolve(undefined);
    await turn();
    expect(done).toEqual(['receive 1', 'receive 2', 'close 1']);
    await dial(peer, '/echo', options);
    await dial(peer, '/echo', options);
    expect(done).toHaveLength(3);
  });

  it('is not given to anybody once the node has shut down', async () => {
    const { opened, done } = kept(open());
    let shut = () => {};
    const onClosing = (act: () => void) => {
      shut = act;
      return () => {};
    };
    const dial = keepStreams(opened, { closing: false, onClosing });
    const channel = await dial(peer, '/echo', options);
    channel.kept?.release();
    shut();
    expect(done).toEqual(['receive 1', 'close 1']);
    expect((await dial(peer, '/echo', options)).kept?.again).toBe(false);
  });
});
