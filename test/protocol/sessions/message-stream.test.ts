import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel } from '../../../src/mesh/index.ts';
import { fetchBundle, openBundles, serveBundles } from '../../../src/node/artifacts/bundles.ts';
import { QuorateError, reportedError } from '../../../src/protocol/base/errors.ts';
import { errorFrom, errorMessage, MessageStream } from '../../../src/protocol/sessions/message-stream.ts';
import { bytes, node, sleep, soon, until } from '../../mesh/harness.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';

const schema = z.strictObject({ n: z.number() });
type Message = z.infer<typeof schema>;

/** Two ends of one channel. */
async function pair(): Promise<[MessageStream<Message, Message>, MessageStream<Message, Message>, Channel]> {
  const [a, b] = await Promise.all([node(), node()]);
  let far: Channel | undefined;
  let over: () => void = () => {};
  b.handle(
    '/talk',
    (channel) => {
      far = channel;
      return new Promise((resolve) => {
        over = resolve;
      });
    },
    { maxInboundStreams: 4, maxMessageBytes: 10_000 },
  );
  const near = await a.open({ id: b.id, addrs: b.addresses() }, '/talk', {
    signal: soon(),
    maxMessageBytes: 10_000,
  });
  await until('the far end', () => far !== undefined);
  if (far === undefined) throw new Error('assertion failed: it was waited for');
  void sleep(120_000).then(over);
  return [new MessageStream(near, schema, 'a number'), new MessageStream(far, schema, 'a number'), near];
}

describe('a talk', () => {
  it('keeps the order in which messages were sent, also those that still have to be made', async () => {
    const [near, far] = await pair();
    near.post(sleep(50).then(() => ({ n: 1 })));
    near.post({ n: 2 });
    near.post(sleep(10).then(() => ({ n: 3 })));
    const heard = [await far.receive(), await far.receive(), await far.receive()];
    expect(heard).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  it('sends what was posted before it closes, and then says that it is over', async () => {
    const [near, far] = await pair();
    near.post(sleep(50).then(() => ({ n: 1 })));
    await near.close();
    expect(await far.receive({ timeoutMs: 120_000 })).toEqual({ n: 1 });
    expect(await far.receive({ timeoutMs: 120_000 })).toBeUndefined();
  });

  it.each(['{"n": 1', '{"n": "1"}', '{"n": 1, "more": 2}', '\u0000'])('does not take %j', async (text) => {
    const [, far, channel] = await pair();
    await channel.send(bytes(text));
    expect(await codeOf(() => far.receive({ timeoutMs: 120_000 }))).toBe('WIRE_INVALID');
  });

  it('ends for both sides when a message cannot be made', async () => {
    const [near, far] = await pair();
    expect(await codeOf(() => near.send(Promise.reject(new Error('no key'))))).toContain('no key');
    expect(await codeOf(() => far.receive({ timeoutMs: 120_000 }))).toBe('MESH_RESET');
    expect(await codeOf(() => near.send({ n: 1 }))).toBeDefined();
    await near.close();
  });
});

describe('an error over the wire', () => {
  it('arrives with code, message and hint', () => {
    const error = new QuorateError('JOB_UNKNOWN', 'no such job', { hint: 'look' });
    const { code, message, hint } = errorFrom(errorMessage(error));
    expect({ code, message, hint }).toEqual({ code: 'JOB_UNKNOWN', message: 'no such job', hint: 'look' });
  });

  it('is cut by code points, as its schema counts them: one that was taken is passed on as it is', () => {
    const message = '\u{10000}'.repeat(2000);
    expect(errorMessage(reportedError('X_Y', message)).message).toBe(message);
    expect(errorMessage(reportedError('X_Y', `${message}x`)).message).toBe(message);
  });

  it('tells nothing of what is not ours to tell, and no control characters', () => {
    expect(errorMessage(new Error('/home/owner/secret'))).toEqual({
      kind: 'error',
      code: 'INTERNAL',
      message: 'the other side failed',
    });
    const sent = errorMessage(reportedError('X_Y', 'a\u001b[2Jb\u202ec\nd', { hint: '\u0007' }));
    expect(sent).toMatchObject({ message: 'a [2Jb c d', hint: ' ' });
  });

  it('is in a form the other side accepts, whatever code the system gives', () => {
    const failure = Object.assign(new Error('x'), { code: 'ERR_some thing' });
    expect(errorMessage(failure).code).toMatch(/^[A-Z][A-Z0-9_]{1,60}$/);
    const long = errorMessage(reportedError('X_Y', 'm'.repeat(10_000)));
    expect(long.message.length).toBeLessThanOrEqual(2_000);
  });
});

describe('bundles over the mesh', () => {
  it('are given to whoever asks, and are undefined where there is none', async () => {
    const [server, asker] = await Promise.all([node(), node()]);
    const bundles = openBundles(await folder());
    const run = 'c'.repeat(64);
    await bundles.put({ run, job: 'baguqeera2', artifact: null }, '{"the":"proof"}');
    serveBundles(server, bundles);
    const peer = { id: server.id, addrs: server.addresses() };
    expect(await fetchBundle(asker, peer, run, soon())).toBe('{"the":"proof"}');
    expect(await fetchBundle(asker, peer, 'd'.repeat(64), soon())).toBeUndefined();
    expect(await fetchBundle(asker, peer, '../../etc/passwd', soon())).toBeUndefined();
  });
});
