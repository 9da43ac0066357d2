import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { issueInvite, randomNonce } from '../../../src/identity/idp.ts';
import { generateSeed, keyFromSeed, type NodeKey } from '../../../src/identity/keys.ts';
import { decodeTicket, type Ticket } from '../../../src/identity/ticket.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { type IdpNode, startIdp } from '../../../src/idp/node/node.ts';
import { openMesh } from '../../../src/mesh/index.ts';
import { openRevocationBook } from '../../../src/node/membership/revocation-file.ts';
import { initIdp, openIdpFolder } from '../../../src/owner/idp-folder.ts';
import {
  initProject,
  issueTicket,
  openProjectFolder,
  type ProjectFolder,
  writeAddress,
} from '../../../src/owner/project-folder.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { type Enrol, type Grant, openMessage, signMessage } from '../../../src/protocol/documents/index.ts';
import { checkGrant, enforce } from '../../../src/protocol/judge/index.ts';
import { encodeMessage, type IdpUp } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { folder as temporary } from '../../support/code-and-folder.ts';

const address = ['/ip4/127.0.0.1/tcp/4710/p2p/12D3KooWNWeAv9TF1xB8BMiuHrWwGFPvdgPZK6s3NUNRCowistg6'];

interface Ground {
  /** The project folder, as an attacker finds it in the controller's process. */
  controller: ProjectFolder;
  idp: ProjectFolder;
  node: IdpNode;
}

/** A project whose identity provider is apart. */
async function project(): Promise<Ground> {
  const { key, dir } = await initIdp(await temporary());
  const controller = await initProject(await temporary(), {
    name: 'tools',
    vcs: [],
    bootstrap: [],
    idp: key,
  });
  const idp = await openIdpFolder(dir, join(controller.dir, 'charter.jws'));
  await writeAddress(dir, address);
  // The owner keeps the root key elsewhere.
  await rename(join(controller.dir, 'root.key'), join(controller.dir, '..', 'elsewhere.key'));
  const node = await startIdp({
    folder: idp,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    onEvent() {},
    onRekeyed() {},
    onFailure() {},
  });
  onTestFinished(() => node.close());
  return { controller: await openProjectFolder(controller.dir), idp, node };
}

const newKey = (): NodeKey => keyFromSeed(generateSeed());
const now = () => Math.floor(Date.now() / 1000);

/** A question with the controller's key to an identity provider that runs. Returns the grant, or the code of the refusal. */
async function ask({ controller, node }: Ground, as: NodeKey, question: IdpUp): Promise<string> {
  const mesh = await openMesh({ key: as.seed, listen: [], bootstrap: [], topics: [], role: 'node' });
  try {
    const signal = AbortSignal.timeout(120_000);
    const channel = await mesh.open({ id: node.id, addrs: node.addresses() }, protocols.idp, {
      signal,
      maxMessageBytes: 1024 * 1024,
    });
    await channel.send(encodeMessage(question));
    const answer = JSON.parse(fromUtf8((await channel.receive()) ?? new Uint8Array()));
    if (answer.grant === undefined) return answer.code;
    const grant = await openMessage('grant', answer.grant, joseVerifier);
    checkGrant(enforce, grant, controller.charter, { by: grant.payload.sub, at: now() });
    return `a grant as ${grant.payload.operator}`;
  } finally {
    await mesh.close();
  }
}

async function question(
  { controller }: Ground,
  key: NodeKey,
  { ticket, enrolled = 1 }: { ticket?: Ticket; enrolled?: number } = {},
): Promise<IdpUp> {
  const { invite, seed } = ticket ?? {};
  const jti =
    invite === undefined ? undefined : (await openMessage('invite', invite, joseVerifier)).payload.jti;
  const enrol: Enrol = {
    iss: key.id,
    aud: controller.charter.idps[0] ?? '',
    project: controller.project,
    ...(jti !== undefined && { invite: jti }),
    jti: randomNonce(),
    iat: now(),
    exp: now() + 300,
  };
  return {
    kind: 'grant',
    enrol: (await signMessage('enrol', enrol, key.signer)).raw,
    enrolled,
    epoch: 1,
    ...(invite !== undefined && { invite }),
    ...(seed !== undefined && { possession: await possession(controller.project, jti ?? '', key, seed) }),
  };
}

/** The proof that only a holder of the ticket can make. */
async function possession(project: string, invite: string, key: NodeKey, seed: Uint8Array): Promise<string> {
  const { id: iss, signer } = keyFromSeed(seed);
  const payload = { iss, project, invite, sub: key.id, iat: now(), exp: now() + 300 };
  return (await signMessage('possession', payload, signer)).raw;
}

async function ticketOf({ idp }: Ground, operator: string): Promise<Ticket> {
  const options = { operator, role: 'worker', hosts: 1, seconds: 3600 } as const;
  return decodeTicket((await issueTicket(idp, options)).ticket);
}

describe('somebody who has taken over the controller, with the identity provider apart', () => {
  it('makes no operator: with a ticket of its own, a used one, none at all, or another charter', async () => {
    const ground = await project();
    const { controller: stolen } = ground.controller;
    const [alice, mallory] = [newKey(), newKey()];
    const ticket = await ticketOf(ground, 'alice');
    expect(await ask(ground, stolen, await question(ground, alice, { ticket }))).toBe('a grant as alice');

    const own = await signMessage(
      'invite',
      {
        iss: stolen.id,
        project: ground.controller.project,
        operator: 'invented',
        role: 'worker',
        hosts: 9,
        addrs: [],
        jti: randomNonce(),
        iat: now(),
        exp: now() + 3600,
      },
      stolen.signer,
    );
    expect(await ask(ground, stolen, await question(ground, mallory, { ticket: { invite: own.raw } }))).toBe(
      'TICKET_ISSUER_MISMATCH',
    );
    expect(await ask(ground, stolen, await question(ground, mallory, { ticket }))).toBe('TICKET_EXHAUSTED');
    expect(await ask(ground, stolen, await question(ground, mallory))).toBe('KEY_NOT_ENROLLED');
    // It says of who is enrolled that this was before the offers that are open.
    expect(await ask(ground, stolen, await question(ground, alice, { enrolled: 0 }))).toBe(
      'IDP_ENROLMENT_DIFFERS',
    );
    const forged = { ...ground.controller.charter, iss: stolen.id, epoch: 2, idps: [stolen.id] };
    const charter = (await signMessage('charter', forged, stolen.signer)).raw;
    expect(await ask(ground, stolen, { kind: 'charter', charter, addrs: [] })).toBe(
      'CHARTER_ISSUER_MISMATCH',
    );
    // And without the controller's key nobody gets anything.
    expect(await ask(ground, mallory, await question(ground, alice))).toBe('IDP_CONTROLLER_UNKNOWN');
  });

  it('joins with no ticket that a volunteer shows it, since that shows the invite and not the key in it', async () => {
    const ground = await project();
    const { controller: stolen } = ground.controller;
    const [bob, mallory] = [newKey(), newKey()];
    const ticket = await ticketOf(ground, 'bob');
    const seen = { invite: ticket.invite };
    expect(await ask(ground, stolen, await question(ground, mallory, { ticket: seen }))).toBe(
      'TICKET_NOT_HELD',
    );
    // With what Bob showed it, beside an enrolment of its own.
    const bobs = await question(ground, bob, { ticket });
    const { enrol } = (await question(ground, mallory, { ticket: seen })) as Extract<
      IdpUp,
      { kind: 'grant' }
    >;
    expect(await ask(ground, stolen, { ...bobs, enrol } as IdpUp)).toBe('TICKET_NOT_HELD');
    expect(await ask(ground, stolen, bobs)).toBe('a grant as bob');
  });

  it('control: with the ticket itself, or one that names no key of its own, it takes the volunteer’s place', async () => {
    const ground = await project();
    const { controller: stolen } = ground.controller;
    const whole = await question(ground, newKey(), { ticket: await ticketOf(ground, 'carol') });
    expect(await ask(ground, stolen, whole)).toBe('a grant as carol');
    const { raw } = await issueInvite(ground.idp.idp.signer, {
      project: ground.idp.project,
      operator: 'dave',
      role: 'worker',
      addrs: address,
      now: Date.now(),
    });
    const plain = await question(ground, newKey(), { ticket: { invite: raw } });
    expect(await ask(ground, stolen, plain)).toBe('a grant as dave');
  });

  it('gets nothing more for an operator that the owner has revoked there, whatever it kept to itself', async () => {
    const ground = await project();
    const { controller: stolen } = ground.controller;
    const friend = newKey();
    const ticket = await ticketOf(ground, 'friend');
    expect(await ask(ground, stolen, await question(ground, friend, { ticket }))).toBe('a grant as friend');
    const payload = {
      iss: ground.idp.idp.id,
      project: ground.idp.project,
      since: 0,
      reason: 'turned',
      iat: now(),
    };
    const what = { kind: 'operator', id: 'friend' } as const;
    const revocation = await signMessage('revocation', { ...payload, what }, ground.idp.idp.signer);
    const book = await openRevocationBook(ground.idp.dir, ground.idp.project);
    await book.learn({ charters: [ground.idp.charterJws], revocations: [revocation.raw] });
    await expect
      .poll(async () => ask(ground, stolen, await question(ground, friend)))
      .toBe('OPERATOR_REVOKED');
  });

  it('control: where the identity provider’s key is in its process, it makes as many operators as it likes', async () => {
    const { charter, controller, idp } = await initProject(await temporary(), {
      name: 'tools',
      vcs: [],
      bootstrap: [],
    });
    for (const operator of ['one', 'two', 'three']) {
      const { id: sub } = newKey();
      const made: Grant = {
        iss: idp.id,
        sub,
        project: charter.project,
        operator,
        role: 'worker',
        enrolled: 0,
        jti: randomNonce(),
        iat: now(),
        exp: now() + 3600,
      };
      const grant = await openMessage(
        'grant',
        (await signMessage('grant', made, idp.signer)).raw,
        joseVerifier,
      );
      expect(() => checkGrant(enforce, grant, charter, { by: sub, at: now() })).not.toThrow();
      const alone = await signMessage('grant', { ...made, iss: controller.id }, controller.signer);
      expect(() => checkGrant(enforce, alone, charter, { by: sub, at: now() })).toThrow(
        'not from an identity provider',
      );
    }
  });
});
