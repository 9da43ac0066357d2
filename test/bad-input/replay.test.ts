import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { issueInvite } from '../../src/identity/idp.ts';
import { keyFromSeed, type NodeKey } from '../../src/identity/keys.ts';
import { decodeTicket, type Ticket } from '../../src/identity/ticket.ts';
import { openMesh } from '../../src/mesh/index.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { joinProject } from '../../src/node/membership/join.ts';
import { openProjectFolder, type ProjectFolder } from '../../src/owner/project-folder.ts';
import { fromUtf8 } from '../../src/protocol/base/text.ts';
import {
  type Claim,
  type Enrol,
  encodeJob,
  idOf,
  type Lease,
  signMessage,
} from '../../src/protocol/documents/index.ts';
import { encodeMessage } from '../../src/protocol/wire/messages.ts';
import { ownVersion } from '../../src/protocol/wire/peer-version.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { cidOf, makeGrant, makeJob, makeRequest, nonceOf } from '../support/documents.ts';

interface Said {
  kind?: string;
  code?: string;
  message?: string;
  run?: string;
}
interface Member {
  key: NodeKey;
  grant: string;
}

let cluster: LocalCluster;
let folder: ProjectFolder;
let controller: { id: string; addrs: string[] };
let ada: Member;
let eve: Member;
const stranger = keyFromSeed(new Uint8Array(randomBytes(32)));

async function member(name: string): Promise<Member> {
  const home = openHome(cluster.home(name));
  const ticket = await cluster.ticket(name);
  const { grant } = await joinProject({ home, ticket, signal: AbortSignal.timeout(120_000) });
  return { key: await home.key(), grant };
}

beforeAll(async () => {
  cluster = await LocalCluster.start();
  folder = await openProjectFolder(cluster.projectDir);
  controller = { id: folder.controller.id, addrs: (await folder.address())?.addrs ?? [] };
  [ada, eve] = [await member('ada'), await member('eve')];
});

/** The controller's answer to the last of these messages, said on one stream with that key. */
async function say(key: NodeKey, protocol: string, ...messages: unknown[]): Promise<Said> {
  const mesh = await openMesh({ key: key.seed, listen: [], bootstrap: [], topics: [], role: 'node' });
  try {
    const signal = AbortSignal.timeout(120_000);
    const channel = await mesh.open(controller, protocol, { signal, maxMessageBytes: 1_000_000 });
    for (const message of messages) await channel.send(encodeMessage(message));
    const answer = await channel.receive({ timeoutMs: 120_000 });
    await channel.close().catch(() => {});
    return answer === undefined ? {} : JSON.parse(fromUtf8(answer));
  } finally {
    await mesh.close();
  }
}

const now = () => Math.floor(Date.now() / 1000);
const span = () => ({ jti: nonceOf(String(Math.random())), iat: now(), exp: now() + 300 });
const hour = 3600;

describe('an enrolment', () => {
  const ticketOf = async (name: string, ...more: string[]) =>
    decodeTicket(await cluster.ticket(name, ...more));
  const jtiOf = (jws: string): string =>
    JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()).jti;

  /** The possession that the holder of a ticket shows. */
  async function shown({ invite, seed }: Ticket, by: NodeKey) {
    if (seed === undefined) return { invite };
    const holder = keyFromSeed(seed);
    const payload = {
      iss: holder.id,
      project: folder.project,
      invite: jtiOf(invite),
      sub: by.id,
      iat: now(),
      exp: now() + 300,
    };
    return { invite, possession: (await signMessage('possession', payload, holder.signer)).raw };
  }

  async function enrol(
    changes: Partial<Enrol>,
    { by = stranger, from = stranger, ticket: given }: { by?: NodeKey; from?: NodeKey; ticket?: Ticket } = {},
  ): Promise<Said> {
    const ticket = given ?? (await ticketOf(`op-${Math.random()}`));
    const wish: Enrol = {
      iss: by.id,
      aud: folder.idp.id,
      project: folder.project,
      invite: jtiOf(ticket.invite),
      ...span(),
      ...changes,
    };
    const signed = await signMessage('enrol', wish, by.signer);
    return say(from, protocols.api, { kind: 'enrol', enrol: signed.raw, ...(await shown(ticket, by)) });
  }

  it.each<[string, string, Partial<Enrol>]>([
    ['for another identity provider', 'ENROL_AUDIENCE_MISMATCH', { aud: stranger.id }],
    ['for another project', 'TICKET_PROJECT_MISMATCH', { project: stranger.id }],
    ['for another ticket than the one beside it', 'ENROL_TICKET_MISMATCH', { invite: nonceOf('other') }],
    ['from the past', 'DOC_EXPIRED', { iat: now() - 2 * hour, exp: now() - hour }],
    ['from the future', 'DOC_FROM_FUTURE', { iat: now() + hour, exp: now() + 2 * hour }],
  ])('%s is refused', async (_, code, changes) => {
    expect(await enrol(changes)).toMatchObject({ kind: 'error', code, message: expect.stringMatching(/./) });
  });

  it('sent by somebody else than its signer is refused', async () => {
    expect(await enrol({}, { by: stranger, from: eve.key })).toMatchObject({ code: 'ENROL_SENDER_MISMATCH' });
  });

  it('with a ticket of another issuer, or for another project, is refused', async () => {
    const usual = { operator: 'x', role: 'reader', addrs: controller.addrs, now: Date.now() } as const;
    const forged = await issueInvite(stranger.signer, { ...usual, project: folder.project });
    expect(await enrol({}, { ticket: { invite: forged.raw } })).toMatchObject({
      code: 'TICKET_ISSUER_MISMATCH',
    });
    const foreign = await issueInvite(folder.idp.signer, { ...usual, project: stranger.id });
    expect(await enrol({}, { ticket: { invite: foreign.raw } })).toMatchObject({
      code: 'TICKET_PROJECT_MISMATCH',
    });
  });

  it('said again is one machine still; another machine finds the ticket used up', async () => {
    const ticket = await ticketOf('once');
    const signed = await signMessage(
      'enrol',
      {
        iss: stranger.id,
        aud: folder.idp.id,
        project: folder.project,
        invite: jtiOf(ticket.invite),
        ...span(),
      },
      stranger.signer,
    );
    const message = { kind: 'enrol', enrol: signed.raw, ...(await shown(ticket, stranger)) };
    expect(await say(stranger, protocols.api, message)).toMatchObject({ kind: 'grant' });
    expect(await say(stranger, protocols.api, message)).toMatchObject({ kind: 'grant' });
    const late = keyFromSeed(new Uint8Array(randomBytes(32)));
    expect(await enrol({}, { by: late, from: late, ticket })).toMatchObject({ code: 'TICKET_EXHAUSTED' });
    // Having seen the invite is not having the ticket.
    const seen = { invite: (await ticketOf('seen')).invite };
    expect(await enrol({}, { by: late, from: late, ticket: seen })).toMatchObject({
      code: 'TICKET_NOT_HELD',
    });
  });
});

describe('a peer without a grant', () => {
  const nobody = keyFromSeed(new Uint8Array(randomBytes(32)));
  const capabilities = { arch: 'x86_64', cpus: 1, memoryBytes: 1, diskBytes: 1, tiers: ['namespace'] };

  it('gets none by asking for a new one', async () => {
    const wish = { iss: nobody.id, aud: folder.idp.id, project: folder.project, ...span() };
    const { raw } = await signMessage('enrol', wish, nobody.signer);
    expect(await say(nobody, protocols.api, { kind: 'renew', enrol: raw })).toMatchObject({
      code: 'KEY_NOT_ENROLLED',
    });
  });

  it('is no worker: not without a word, not with a grant it made itself', async () => {
    expect(await say(nobody, protocols.feed, { kind: 'poll' })).toMatchObject({ code: 'KEY_NOT_ENROLLED' });
    const made = makeGrant(nobody, 'nobody', 'worker', {
      iss: nobody.id,
      project: folder.project,
      iat: now(),
      exp: now() + hour,
    });
    const { raw } = await signMessage('grant', made, nobody.signer);
    expect(await say(nobody, protocols.feed, { kind: 'hello', grant: raw, capabilities })).toMatchObject({
      code: 'KEY_NOT_ENROLLED',
    });
  });
});

describe('a claim, a lease, a co-signature', () => {
  const version = ownVersion('1.0.0');
  const claimOf = (by: Member, changes: Partial<Claim> = {}) =>
    signMessage(
      'claim',
      {
        iss: by.key.id,
        aud: controller.id,
        offer: idOf('an offer'),
        capabilities: { arch: 'x86_64', cpus: 1, memoryBytes: 1, diskBytes: 1, tiers: ['namespace'] },
        ...span(),
        ...changes,
      },
      by.key.signer,
    );

  it('of another machine is refused from whoever replays it', async () => {
    const { raw } = await claimOf(ada);
    const replayed = { kind: 'claim', claim: raw, grant: ada.grant, version };
    expect(await say(eve.key, protocols.lease, replayed)).toMatchObject({ code: 'CLAIM_SENDER_MISMATCH' });
    // The control: from the one who signed it, it is only about an offer that nobody made.
    expect(await say(ada.key, protocols.lease, replayed)).toMatchObject({ code: 'OFFER_CLOSED' });
  });

  it.each<[string, string, Partial<Claim>]>([
    ['for another controller', 'CLAIM_AUDIENCE_MISMATCH', { aud: stranger.id }],
    ['from the past', 'DOC_EXPIRED', { iat: now() - 2 * hour, exp: now() - hour }],
    ['from the future', 'DOC_FROM_FUTURE', { iat: now() + hour, exp: now() + 2 * hour }],
  ])('%s is refused', async (_, code, changes) => {
    const { raw } = await claimOf(eve, changes);
    const message = { kind: 'claim', claim: raw, grant: eve.grant, version };
    expect(await say(eve.key, protocols.lease, message)).toMatchObject({ code });
  });

  it('that no controller gave, or that nobody asked for, is refused', async () => {
    const lease: Lease = {
      iss: eve.key.id,
      aud: eve.key.id,
      project: folder.project,
      claim: idOf('claim'),
      offer: idOf('offer'),
      job: cidOf('job'),
      round: 1,
      operator: 'eve',
      slot: 0,
      fence: { epoch: 1, n: 1 },
      iat: now(),
      exp: now() + hour,
    };
    const { raw } = await signMessage('lease', lease, eve.key.signer);
    expect(await say(eve.key, protocols.lease, { kind: 'resume', lease: raw })).toMatchObject({
      code: 'LEASE_ISSUER_MISMATCH',
    });
    const cosigned = { kind: 'cosigned', verdict: idOf('verdict'), signature: 'AAAA', witness: 'x' };
    expect(await say(eve.key, protocols.lease, cosigned)).toMatchObject({ code: 'COSIGN_NOT_ASKED' });
  });
});

describe('a request', () => {
  async function order(by: Member, changes: { iat?: number; exp?: number } = {}) {
    const source = {
      url: cluster.git.url('x'),
      commit: 'c0ffee'.padEnd(40, '0'),
      tree: cidOf('tree'),
    };
    const { bytes, id } = encodeJob(makeJob({ image: 'host', source, run: ['true'], outputs: ['.'] }));
    const request = makeRequest(id, {
      iss: by.key.id,
      aud: folder.controller.id,
      project: folder.project,
      repo: source.url,
      commit: source.commit,
      iat: now(),
      exp: now() + hour,
      jti: nonceOf(String(Math.random())),
      ...changes,
    });
    const { raw } = await signMessage('request', request, by.key.signer);
    return { kind: 'submit', request: raw, publisher: by.grant, job: fromUtf8(bytes) };
  }

  async function owner(): Promise<Member> {
    expect((await cluster.cli(['jobs'])).code).toBe(0);
    const home = openHome(cluster.home('owner'));
    return { key: await home.key(), grant: (await home.membership()).grant };
  }

  it.each<[string, string, { iat: number; exp: number }]>([
    ['from the past', 'DOC_EXPIRED', { iat: now() - 2 * hour, exp: now() - hour }],
    ['from the future', 'DOC_FROM_FUTURE', { iat: now() + hour, exp: now() + 2 * hour }],
  ])('%s is refused', async (_, code, changes) => {
    const publisher = await owner();
    expect(await say(publisher.key, protocols.api, await order(publisher, changes))).toMatchObject({ code });
  });

  it('of a worker is refused; that of a publisher, said again by anybody, is the one run it was', async () => {
    expect(await say(eve.key, protocols.api, await order(eve))).toMatchObject({
      code: 'GRANT_ROLE_MISMATCH',
    });
    const publisher = await owner();
    const message = await order(publisher);
    const first = await say(publisher.key, protocols.api, message);
    expect(first).toMatchObject({ kind: 'accepted' });
    expect(await say(eve.key, protocols.api, message)).toEqual(first);
    expect((await cluster.cli(['jobs'])).lines[0]).toHaveLength(1);
    onTestFinished(async () => {
      await cluster.cli(['cancel', first.run ?? '', '--reason', 'seen']);
    });
  });

  it('under the grant of another is refused', async () => {
    const publisher = await owner();
    const message = { ...(await order(eve)), publisher: publisher.grant };
    expect(await say(eve.key, protocols.api, message)).toMatchObject({ code: 'GRANT_KEY_MISMATCH' });
  });
});
