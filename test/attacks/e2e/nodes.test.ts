import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { combineSandboxes, type Sandbox } from '../../../sandbox/index.ts';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { type Channel, type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { fetchBundle } from '../../../src/node/artifacts/bundles.ts';
import { type Home, openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import { openProjectFolder } from '../../../src/owner/project-folder.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeJob, type Request, signMessage } from '../../../src/protocol/documents/index.ts';
import type { Membership } from '../../../src/protocol/sessions/credentials.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { protocols, topics } from '../../../src/protocol/wire/protocols.ts';
import { openStore } from '../../../src/store/index.ts';
import { program } from '../../e2e/support/jobs.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';
import type { Line, Told } from '../../e2e/support/told.ts';
import { deadlineMs, until } from '../../e2e/support/wait.ts';
import { makeJob, makeOffer, makeRequest, nonceOf, testKey } from '../../support/documents.ts';

let cluster: LocalCluster;
/** An operator of the project, with a key and a grant of her own. */
let eve: { home: Home; membership: Membership; key: NodeKey };
let controller: { id: string; addrs: string[] };

/** Of what was gossiped to ada: whose it was, and whether it is passed on. */
const judged: { from: string; verdict: string }[] = [];
/** Until then cyd's build does not begin, so that no round is revealed. */
const release = Promise.withResolvers<void>();

/** Notes what the validators of a mesh say. */
function noting(mesh: Mesh): Mesh {
  const noted: Mesh['setValidator'] = (topic, judge) =>
    mesh.setValidator(topic, async (from, data) => {
      const verdict = await judge(from, data);
      judged.push({ from, verdict });
      return verdict;
    });
  return new Proxy(mesh, {
    get(target, name) {
      if (name === 'setValidator') return noted;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ben'], slotWait: '10m' });
  const sandbox = cluster.sandbox();
  const slow: Sandbox = {
    ...sandbox,
    run: async (job, io) => {
      await release.promise;
      return sandbox.run(job, io);
    },
  };
  const [ada, cyd] = await Promise.all([
    cluster.work('ada', await cluster.ticket('ada'), {
      openMesh: async (options) => noting(await openMesh(options)),
    }),
    cluster.work('cyd', await cluster.ticket('cyd'), { sandboxes: combineSandboxes([slow]) }),
  ]);
  await Promise.all([ada.event('connected'), cyd.event('connected')]);
  const home = openHome(cluster.home('eve'));
  const ticket = await cluster.ticket('eve');
  const membership = await joinProject({ home, ticket, signal: AbortSignal.timeout(deadlineMs) });
  eve = { home, membership, key: await home.key() };
  controller = membership.controllers[0] ?? { id: '', addrs: [] };
});

const addressOf = (worker: Told): { id: string; addrs: string[] } => {
  const [working] = worker.all('working') as { id?: string; addresses?: string[] }[];
  return { id: String(working?.id), addrs: working?.addresses ?? [] };
};

async function meshOf(key: NodeKey | Uint8Array, listen: string[] = []): Promise<Mesh> {
  const seed = key instanceof Uint8Array ? key : key.seed;
  const topic = topics.offers(cluster.project);
  const mesh = await openMesh({ key: seed, listen, bootstrap: [], topics: [topic], role: 'node' });
  onTestFinished(() => mesh.close());
  return mesh;
}

/** The CID of what `program(says)` makes, found without building it. */
async function guess(says: string): Promise<string> {
  const dir = join(cluster.dir, `guess ${says}`);
  await mkdir(join(dir, 'bin'), { recursive: true });
  await writeFile(join(dir, 'bin', 'say'), program(says)['say.sh'] ?? '');
  await chmod(join(dir, 'bin', 'say'), 0o755);
  const store = await openStore({ dir: join(cluster.dir, 'guessed') });
  try {
    return (await store.importDirectory(dir, { into: store.public })).root;
  } finally {
    await store.close();
  }
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  );

describe('a peer that knows what comes out, during a sealed round', () => {
  it('gets no byte, proof or provider of it from anybody; all of it once the round is revealed', async () => {
    const artifact = await guess('secret');
    const workers = ['ada', 'ben'].map((name) => addressOf(cluster.worker(name)));
    const stranger = async (name: string) => {
      const mesh = await meshOf(randomBytes(32));
      const store = await openStore({ dir: join(cluster.dir, name), libp2p: mesh.libp2p });
      onTestFinished(() => store.close());
      for (const { addrs } of [...workers, controller]) await mesh.connect(addrs);
      return { mesh, store };
    };
    const { mesh, store: thief } = await stranger('thief');
    const from = [...workers, controller].map(({ id }) => id);
    const providers = async () => {
      const found: string[] = [];
      const limits = { signal: AbortSignal.timeout(3_000), max: 5 };
      for await (const { id } of mesh.findProviders(artifact, limits)) found.push(id);
      return found;
    };
    const proofs = async () => {
      const asked = workers.map((peer) => fetchBundle(mesh, peer, artifact, AbortSignal.timeout(deadlineMs)));
      return (await Promise.all(asked)).filter((proof) => proof !== undefined);
    };

    const run = await cluster.submit(
      await cluster.git.commit('secret', program('secret')),
      '--until',
      'agreed',
    );
    await run.events('delivered', 2);
    // Each says at once that it has none. However long a busy machine takes for that, they are not silent.
    const idleSeconds = deadlineMs / 1000;
    expect(await codeOf(thief.pull(artifact, { from, idleSeconds }))).toBe('STORE_PULL_BLOCK_MISSING');
    expect(await proofs()).toEqual([]);
    expect(await providers().catch(() => [])).toEqual([]);
    expect(run.all('revealed')).toEqual([]);

    release.resolve();
    expect((await run.end()).code, run.report()).toBe(0);
    expect(run.lines.at(-1)).toMatchObject({ level: 'agreed', artifact });
    // By another: the thief, which has been refused, gets it only with its second attempt, seconds later.
    const { store: reader } = await stranger('reader');
    expect((await reader.pull(artifact, { from })).blocks).toBeGreaterThan(1);
    await until('a proof', async () => (await proofs()).length > 0);
    await until('a provider', async () => (await providers().catch(() => [])).length > 0);
  });
});

describe('an operator with a grant of her own', () => {
  /** Opens a protocol of the controller, says one thing, and gives the first answer. */
  async function say(
    mesh: Mesh,
    protocol: string,
    ...messages: unknown[]
  ): Promise<{ kind?: string; code?: string }> {
    const signal = AbortSignal.timeout(deadlineMs);
    const channel = await mesh.open(controller, protocol, { signal, maxMessageBytes: 1_000_000 });
    for (const message of messages) await channel.send(encodeMessage(message));
    const answer = await channel.receive({ timeoutMs: deadlineMs }).catch(() => undefined);
    await channel.close().catch(() => {});
    return answer === undefined ? {} : JSON.parse(fromUtf8(answer));
  }

  const capabilities = { arch: 'x86_64', cpus: 1, memoryBytes: 1, diskBytes: 1, tiers: ['namespace'] };

  it("is not taken for another by that one's grant", async () => {
    const [file] = JSON.parse(
      await readFile(join(cluster.home('ada'), 'projects', `${cluster.project}.json`), 'utf8').then(
        (text) => `[${text}]`,
      ),
    ) as Membership[];
    const mesh = await meshOf(eve.key);
    const as = (grant: string) => say(mesh, protocols.feed, { kind: 'hello', grant, capabilities });
    expect(await as(file?.grant ?? '')).toMatchObject({ kind: 'error', code: 'GRANT_KEY_MISMATCH' });
    // The control: with her own she is heard.
    expect(await as(eve.membership.grant)).toMatchObject({ kind: 'backlog' });
  });

  it('writes nothing into the log of a lease that is not hers', async () => {
    const worker = cluster.worker('ada');
    const since = worker.mark();
    const run = await cluster.submit(await cluster.git.commit('logged', program('logged')));
    const build = await worker.event('build', { since });
    const mesh = await meshOf(eve.key);
    const signal = AbortSignal.timeout(deadlineMs);
    const channel = await mesh.open(controller, protocols.log, { signal, maxMessageBytes: 1_000_000 });
    await channel.send(encodeMessage({ lease: (build.data as { lease: string }).lease }));
    await channel.send(Buffer.from('a line of eve\n')).catch(() => {});
    await expect(channel.receive({ timeoutMs: deadlineMs })).rejects.toMatchObject({ code: 'MESH_RESET' });
    await run.events('delivered', 2);
    await run.stop();
    const logs = await cluster.cli(['logs', run.run]);
    const texts = logs.lines.map(({ text }) => text).join('');
    expect(texts).not.toContain('eve');
    // The control: what the holders of the leases sent is there.
    expect(texts).toContain('quorate: fetching');
  });

  it('does not stop the controller with garbage, floods and messages that are too large', async () => {
    const mesh = await meshOf(eve.key);
    const garbage = [Buffer.from('{'), Buffer.from('[]'), Buffer.alloc(100_000, '{"a":'), randomBytes(500)];
    const opened: Channel[] = [];
    for (const protocol of [
      protocols.api,
      protocols.feed,
      protocols.lease,
      protocols.log,
      protocols.bundle,
    ]) {
      for (const bytes of [...garbage, Buffer.alloc(9 * 1024 * 1024)]) {
        const options = { signal: AbortSignal.timeout(5_000), maxMessageBytes: 16 * 1024 * 1024 };
        const channel = await mesh.open(controller, protocol, options).catch(() => undefined);
        if (channel === undefined) continue;
        opened.push(channel);
        // An answer that nobody reads is never sent whole: not waited for.
        void channel.send(bytes).catch(() => {});
      }
    }
    // More streams than one peer may have, none of which ever says a word.
    const silent = Array.from({ length: 200 }, () =>
      mesh.open(controller, protocols.api, { signal: AbortSignal.timeout(5_000), maxMessageBytes: 1000 }),
    );
    opened.push(
      ...(await Promise.allSettled(silent)).flatMap((made) =>
        made.status === 'fulfilled' ? [made.value] : [],
      ),
    );
    expect(cluster.control.alive, cluster.control.report()).toBe(true);
    const jobs = await cluster.cli(['jobs']);
    expect(jobs.code, jobs.report).toBe(0);
    for (const channel of opened) channel.abort(new Error('over'));
  });
});

describe('offers that are gossiped', () => {
  /** A job nobody asked for, in an offer signed by `author` upon a request of `publisher`. */
  async function notice(author: NodeKey, publisher: NodeKey, grant: string): Promise<Uint8Array> {
    const iat = Math.floor(Date.now() / 1000);
    const source = {
      url: cluster.git.url('secret'),
      commit: 'c0ffee'.padEnd(40, '0'),
      tree: await guess('secret'),
    };
    const { bytes, id } = encodeJob(
      makeJob({ image: 'host', source, run: ['echo unasked'], name: 'unasked' }),
    );
    const times = { iat, exp: iat + 3600 };
    const order: Request = makeRequest(id, {
      iss: publisher.id,
      aud: controller.id,
      project: cluster.project,
      repo: source.url,
      commit: source.commit,
      ...times,
      jti: nonceOf(String(Math.random())),
    });
    const request = await signMessage('request', order, publisher.signer);
    const offer = makeOffer(request.id, id, {
      iss: author.id,
      project: cluster.project,
      index: 1_000,
      policy: order.policy,
      needs: { arch: 'x86_64', cpus: 1, memoryBytes: 1, diskBytes: 1, image: 'host' },
      ...times,
    });
    return encodeMessage({
      offer: (await signMessage('offer', offer, author.signer)).raw,
      request: request.raw,
      publisher: grant,
      job: fromUtf8(bytes),
    });
  }

  const heard = (line: Line) => String(line.says).includes('unasked');

  it('make nobody work unless the controller signed them and a publisher asked', async () => {
    const ada = cluster.worker('ada');
    const topic = topics.offers(cluster.project);
    const owner = openHome(cluster.home('owner'));
    const ownersGrant = (await owner.membership()).grant;
    const publisher = await owner.key();
    const foreign = await meshOf(eve.key);
    await foreign.connect(addressOf(ada).addrs);
    // Until ada is known as a neighbour, what is published reaches nobody.
    await until('an offer of hers to be rejected', async () => {
      await foreign.publish(topic, await notice(eve.key, publisher, ownersGrant));
      return judged.some(({ from, verdict }) => from === eve.key.id && verdict === 'reject');
    });

    // Somebody with the stolen key of the controller, in its place.
    await cluster.control.stop();
    const folder = await openProjectFolder(cluster.projectDir);
    const thief = await meshOf(folder.controller, [`/ip4/127.0.0.1/tcp/${cluster.port}`]);
    thief.subscribe(topic, () => {});
    await thief.connect(addressOf(ada).addrs);
    const since = ada.mark();
    const ignored = ({ says }: Line) => String(says).startsWith('an offer was ignored');
    const strangers = (line: Line) => ignored(line) && String(line.says).includes('was used by');
    await until('that of a stranger to be ignored', async () => {
      await thief.publish(topic, await notice(folder.controller, testKey('stranger'), ownersGrant));
      return ada.lines.slice(since).some(strangers);
    });
    const later = ada.mark();
    await thief.publish(topic, await notice(folder.controller, eve.key, eve.membership.grant));
    await ada.event('offer', { since: later, where: (line) => ignored(line) && !strangers(line) });
    expect(ada.all('offer').filter(heard)).toEqual([]);

    // The control: on a request of the publisher the thief is obeyed. What is built would still not be trusted.
    await thief.publish(topic, await notice(folder.controller, publisher, ownersGrant));
    await ada.event('offer', { where: heard });
    expect(ada.all('offer').filter(heard).length).toBe(1);
  });
});
