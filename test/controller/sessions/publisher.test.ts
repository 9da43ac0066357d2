import { beforeEach, describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import type { KeyChange } from '../../../simulations/paperwork.ts';
import type { FeedServer } from '../../../src/controller/sessions/feed-server.ts';
import { Publisher } from '../../../src/controller/sessions/publisher.ts';
import type { SharedPorts } from '../../../src/controller/sessions/shared.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { type Charter, claimedSigners, decodeBundle } from '../../../src/protocol/documents/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { Desk } from '../../protocol/sessions/desk.ts';
import { A, B, type Bench, built, deliverAll, other, projectOf } from '../machine/bench.ts';

/** A charter with another key of the project's own. */
function replaced({ paper }: Bench, what: KeyChange): Partial<Charter> {
  paper.replace(what);
  return {};
}

let desk: Desk;
beforeEach(async () => {
  desk = new Desk(await projectOf('ada', 'bob', 'cy'));
});

describe('a new charter and a restart', () => {
  const changes: [string, (bench: Bench) => Partial<Charter>][] = [
    ['the same charter', () => ({ epoch: 1 })],
    ['another trusted worker', (bench) => ({ trusted: [bench.id('trusted2')] })],
    ['a tighter floor', () => ({ floor: { agree: 3, of: 3, cosign: 'required', rounds: 1 } })],
    ['another source server', () => ({ vcs: ['new.example'] })],
    ['another bootstrap node', () => ({ bootstrap: ['/ip4/1.2.3.4/tcp/1'] })],
    ['another key of the controller', (bench) => replaced(bench, 'controller')],
    ['another key of the identity provider', (bench) => replaced(bench, 'idp at once')],
    ['another identity provider', (bench) => ({ idps: [bench.paper.idp.id, bench.id('idp 2')] })],
  ];
  it.each(changes)('leave what is published as it is: %s', async (_what, change) => {
    const run = await desk.play('app', built);
    const before = desk.stored.get(run);
    expect(await desk.levelOf(A)).toBe('trusted');
    const puts = desk.puts.length;
    desk.bench.replay();
    await desk.bench.start({ epoch: 2, ...change(desk.bench) });
    await desk.perform();
    expect(desk.puts).toHaveLength(puts);
    expect(desk.stored.get(run)).toBe(before);
  });

  it.each(changes)('and a bundle that was lost is made again, byte for byte: %s', async (_what, change) => {
    const run = await desk.play('app', built);
    const before = desk.stored.get(run);
    desk.stored.clear();
    desk.bench.replay(new Set());
    await desk.bench.start({ epoch: 2, ...change(desk.bench) });
    await desk.perform(true);
    expect(desk.stored.get(run)).toBe(before);
    expect(desk.stored.get(A)).toBe(before);
  });

  it('a verdict of later is made under the new charter', async () => {
    await desk.play('app', built);
    desk.bench.replay();
    await desk.bench.start({ epoch: 2, vcs: ['git.example'] });
    desk.bench.present('trusted', 'ada', 'bob', 'cy');
    await desk.play('lib', other, other);
    expect(await desk.levelOf(B)).toBe('trusted');
    const { charter } = decodeBundle(desk.stored.get(B) ?? '');
    expect(charter).toBe(desk.bench.controller.state.charter?.raw);
  });
});

describe('a verdict that was not published yet when the controller got another key', () => {
  const rekeyed = async (): Promise<string> => {
    const { bench } = desk;
    const run = await bench.submit({ name: 'app' });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.pinned(run);
    desk.lose();
    bench.paper.replace('controller');
    bench.replay();
    await bench.start({ epoch: 2 });
    return run;
  };

  it('is published under the key that gave it', async () => {
    const run = await rekeyed();
    await desk.perform();
    expect(await desk.levelOf(run)).toBe('agreed');
    const [first] = desk.bench.paper.controllers;
    expect(claimedSigners(decodeBundle(desk.stored.get(run) ?? '').verdict)).toEqual([first?.id]);
  });

  it('waits for that key where it is not at hand: nothing is published under another one', async () => {
    const run = await rekeyed();
    desk.bench.paper.controllers.splice(0, 1);
    await expect(desk.perform()).rejects.toMatchObject({ code: 'CONTROLLER_KEY_MISSING' });
    expect(await desk.levelOf(run)).toBeUndefined();
    expect([...desk.bench.controller.state.unstored]).toEqual([run]);
  });
});

describe('the bundle of a test', () => {
  const play = async (kind: 'test' | undefined, name: string): Promise<string> => {
    const { bench } = desk;
    const over = kind === undefined ? {} : { kind };
    const run = await bench.submit({ name, ...over, policy: { cosign: 'none' } });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.witnessing = false;
    bench.pinned(run);
    await desk.perform();
    return run;
  };

  it('has no name of an artifact, and is served to whoever asks for its reports', async () => {
    const run = await play('test', 'check');
    desk.bench.witness(run, { keys: [] });
    await desk.perform();
    expect(desk.stored.has(A)).toBe(false);
    const text = desk.stored.get(run);
    expect(text).toBeDefined();
    const served = desk.serve();
    expect(await served.get(A)).toBe(text);
    expect(await served.size(A)).toBe(text?.length);
    const verified = await verifyBundle(
      decodeBundle(text ?? ''),
      { project: desk.bench.paper.project, artifact: A },
      standIn.verifier,
    );
    expect(verified.code).toBe('ARTIFACT_OF_TEST');
  });

  it('hides no bundle of a build of the same bytes', async () => {
    const build = await desk.play('app', built);
    const before = desk.stored.get(build);
    const test = await play('test', 'check');
    desk.bench.witness(test, { keys: [] });
    await desk.perform();
    expect(desk.stored.has(test)).toBe(true);
    expect(await desk.serve().get(A)).toBe(before);
  });
});

describe('N colluding operators say that another job made the artifact of a trusted one', () => {
  it('and are contradicted: the bundle of the artifact stays, for theirs never had its name', async () => {
    const first = await desk.play('app', built);
    const before = desk.stored.get(A);
    const theirs = await desk.play('lib', other);
    expect(desk.bench.progress(theirs, 'contradicted')).toHaveLength(1);
    expect(desk.stored.get(A)).toBe(before);
    expect(desk.stored.get(first)).toBe(before);
    expect(await desk.levelOf(A)).toBe('trusted');
  });

  it('or of one that was only agreed on', async () => {
    const { bench } = desk;
    const first = await bench.submit({ name: 'app' });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.pinned(first);
    await desk.perform();
    const before = desk.stored.get(A);
    expect(await desk.levelOf(A)).toBe('agreed');
    await desk.play('lib', other);
    expect(desk.stored.get(A)).toBe(before);
  });

  it('before an honest run agrees on it: that run proves it from then on', async () => {
    const { bench } = desk;
    const { run: theirs, trusted } = await desk.agreed('lib');
    const honest = await bench.submit({ name: 'app' });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.pinned(honest);
    await desk.perform();
    expect(desk.stored.get(A)).toBe(desk.stored.get(theirs));
    await bench.deliver('trusted', trusted, other);
    await desk.perform();
    expect(desk.stored.get(A)).toBe(desk.stored.get(honest));
  });

  it('control: the run whose artifact is contradicted takes its own bundle back', async () => {
    await desk.play('lib', other);
    expect(desk.stored.get(A)).toBeUndefined();
  });
});

describe('bundles and a process that ends at any time', () => {
  const awaitingSignature = async (): Promise<string> => {
    const { bench } = desk;
    const { run, trusted } = await desk.agreed('app');
    await bench.deliver('trusted', trusted, built);
    expect(bench.run(run).phase.kind).toBe('cosigning');
    return run;
  };
  const isTrustedOnceSigned = async (run: string): Promise<void> => {
    expect(await desk.levelOf(run)).toBe('agreed');
    await desk.cosign(run);
    await desk.perform();
    expect(await desk.levelOf(run)).toBe('trusted');
  };

  it('one that is missing while its run waits for the co-signature is not made of the draft', async () => {
    const run = await awaitingSignature();
    desk.stored.clear();
    desk.bench.replay(new Set());
    await desk.bench.start({ epoch: 1 });
    await desk.perform(true);
    await isTrustedOnceSigned(run);
  });

  it('one that is published again while the co-signature is awaited is that of what was agreed', async () => {
    const run = await awaitingSignature();
    await desk.publish(run);
    await isTrustedOnceSigned(run);
  });

  it('one that is asked for while the disk is slow is that of the verdict that was told, not that of before', async () => {
    const run = await awaitingSignature();
    await desk.cosign(run);
    const { promise, resolve } = Promise.withResolvers<void>();
    desk.disk = promise;
    const publisher = desk.publisher();
    const stored = publisher.verdict(run);
    const served = desk.serve(publisher);
    const answers = ['run', 'artifact'].map((kind) => served.get(kind === 'run' ? run : A));
    resolve();
    const texts = await Promise.all(answers);
    await stored;
    expect(await desk.levelOf(run)).toBe('trusted');
    expect(texts).toEqual([desk.stored.get(run), desk.stored.get(run)]);
  });

  it('that of an artifact that was contradicted right before a kill goes at the next start', async () => {
    const { bench } = desk;
    const { run, trusted } = await desk.agreed('app');
    expect(await desk.levelOf(A)).toBe('agreed');
    await bench.deliver('trusted', trusted, other);
    expect(bench.progress(run, 'contradicted')).toHaveLength(1);
    desk.lose();
    bench.replay();
    await bench.start({ epoch: 1 });
    await desk.perform(true);
    expect(await desk.levelOf(A)).toBeUndefined();
  });
});

describe('a revocation', () => {
  it('is told and gossiped; that its key is full is an alarm', async () => {
    const { bench } = desk;
    const [told, topicsOf]: [string[], string[]] = [[], []];
    const ports = {
      ...desk.ports(),
      tell: (_level: string, kind: string) => void told.push(kind),
      publish: async (topic: string) => void topicsOf.push(topic),
    } as unknown as SharedPorts;
    const feed = { push: () => {} } as unknown as FeedServer;
    const publisher = new Publisher(ports, feed);
    await bench.revoke({ kind: 'operator', id: 'ada' });
    const { state } = bench.controller;
    const revocation = state.revocations.at(-1)?.revocation;
    await publisher.revocation(revocation?.id ?? '');
    expect([told, topicsOf]).toEqual([['revoked'], [topics.revocations(bench.paper.project)]]);
    (state.tickets as Map<string, number>).set(revocation?.signer ?? '', limits.ticketsOfKeyMax);
    await publisher.revocation(revocation?.id ?? '');
    expect(told.slice(1)).toEqual(['revoked', 'key-full']);
    await publisher.revocation('unknown');
    expect([told.length, topicsOf.length]).toEqual([3, 2]);
  });
});
