import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { epochMs, nonceOf, Paperwork } from '../../../simulations/paperwork.ts';
import { Reader } from '../../../simulations/reader.ts';
import { signedCharter } from '../../../src/controller/machine/members/charter.ts';
import type { ControllerState } from '../../../src/controller/machine/state.ts';
import { IdpClient } from '../../../src/controller/sessions/grants.ts';
import type { GrantAsked } from '../../../src/controller/sessions/ports.ts';
import { IdentityProvider } from '../../../src/idp/machine/machine.ts';
import { IdpSessions } from '../../../src/idp/sessions/idp-sessions.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  type Charter,
  type Grant,
  signMessage,
  type Verified,
} from '../../../src/protocol/documents/index.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, Clock, DialTarget } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage, type IdpDown } from '../../../src/protocol/wire/messages.ts';
import { codeOf } from '../../support/code-and-folder.ts';

/** One end of a stream in memory. */
class End implements Channel {
  readonly peer: string;
  closed = false;
  far!: End;
  readonly #queue: (Uint8Array | undefined)[] = [];
  #wake = () => {};

  constructor(peer: string) {
    this.peer = peer;
  }

  static pair(near: string, far: string): [End, End] {
    const ends: [End, End] = [new End(far), new End(near)];
    [ends[0].far, ends[1].far] = [ends[1], ends[0]];
    return ends;
  }

  async send(message: Uint8Array): Promise<void> {
    this.far.#take(message);
  }

  #take(message: Uint8Array | undefined): void {
    this.#queue.push(message);
    this.#wake();
  }

  async receive({
    admit,
  }: {
    admit?: (bytes: number) => Promise<void>;
  } = {}): Promise<Uint8Array | undefined> {
    while (this.#queue.length === 0)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    const next = this.#queue.shift();
    if (next !== undefined) await admit?.(next.length);
    return next;
  }

  async close(): Promise<void> {
    if (!this.closed) this.far.#take(undefined);
    this.closed = true;
  }

  abort(): void {
    void this.close();
  }
}

/** A controller's client and an identity provider, each with a charter of its own. */
class Desk {
  readonly paper = new Paperwork(standIn);
  readonly documents = new Reader(standIn.verifier);
  readonly machine = new IdentityProvider(this.paper.idp.id);
  ms = 0;
  /** The charter in force at the controller. */
  charter!: Verified<Charter>;
  readonly dialled: DialTarget[] = [];
  /** The node at the address; undefined where nobody is. */
  there: ((channel: End) => void) | undefined;
  readonly told: string[] = [];
  readonly addresses: (readonly string[])[] = [];
  /** Those of the controller. */
  own = ['/ip4/192.0.2.2/tcp/4710'];

  static async open(): Promise<Desk> {
    const desk = new Desk();
    desk.charter = await desk.paper.charter();
    const { charter } = desk;
    desk.machine.handle({ kind: 'started', charter, key: desk.paper.idp.id, grantMs: 3600_000 }, epochMs);
    return desk;
  }

  get clock(): Clock {
    return {
      now: () => epochMs + this.ms,
      monotonic: () => this.ms,
      after: () => () => {},
      endOfTurn: queueMicrotask,
      closing: false,
      onClosing: () => () => {},
    };
  }

  serve(): void {
    const { machine, documents } = this;
    const sessions: IdpSessions = new IdpSessions({
      project: this.paper.project,
      signing: { signer: this.paper.idp, documents, nonce: () => nonceOf('x') },
      clock: this.clock,
      machine,
      dispatch: async (event) => {
        for (const effect of machine.handle(event, this.clock.now()).effects) sessions.perform(effect);
      },
      charge: () => 0,
      takeCharter: async (charter) => void machine.handle({ kind: 'charter', charter }, this.clock.now()),
      keepAddress: async (addrs) => void this.addresses.push(addrs),
    });
    this.there = (channel) => void sessions.served.session(channel);
  }

  /** That node says this to every question. */
  say(answer: IdpDown | string): void {
    const bytes = typeof answer === 'string' ? toUtf8(answer) : encodeMessage(answer);
    this.there = (channel) => void channel.receive().then(() => channel.send(bytes));
  }

  client(): IdpClient {
    return new IdpClient({
      project: this.paper.project,
      idpAddrs: ['/ip4/192.0.2.1/tcp/4711/p2p/12D3KooWold'],
      dial: async (target) => {
        this.dialled.push(target);
        const isOurs = target.id === null || target.id === this.paper.idp.id;
        if (this.there === undefined || !isOurs) throw reportedError('MESH_UNREACHABLE', 'nobody is there');
        const [near, far] = End.pair(this.paper.controller.id, this.paper.idp.id);
        this.there(far);
        return near;
      },
      documents: this.documents,
      clock: this.clock,
      charter: () => signedCharter({ state: { charter: this.charter } as ControllerState }),
      takeCharter: async (charter) => {
        this.charter = charter;
      },
      addresses: () => this.own,
      tell: (_level, _kind, says) => void this.told.push(says),
    });
  }

  /** The grant that the controller's machine asks for. */
  async asked(key: string, over: Partial<Grant> = {}): Promise<GrantAsked> {
    const invite = await this.paper.invite(key, 'worker', epochMs);
    const enrol = await this.paper.enrol(key, epochMs, invite.payload.jti);
    const iat = epochMs / 1000;
    const grant: Grant = {
      iss: this.paper.idp.id,
      sub: enrol.signer,
      project: this.paper.project,
      operator: key,
      role: 'worker',
      enrolled: 3,
      jti: enrol.payload.jti,
      iat,
      exp: iat + 60,
      ...over,
    };
    return { grant, enrol, invite };
  }
}

describe('a controller without the key of its identity provider', () => {
  it('has grants signed by its process, for as long as that says', async () => {
    const desk = await Desk.open();
    desk.serve();
    const client = desk.client();
    const grant = await client.sign({ ...(await desk.asked('ada')), at: 7 });
    expect([...desk.machine.state.members.values()]).toMatchObject([{ by: desk.paper.idp.id, at: 7 }]);
    expect(grant.signer).toBe(desk.paper.idp.id);
    expect(grant.payload).toMatchObject({ operator: 'ada', enrolled: 3, exp: epochMs / 1000 + 3600 });
    expect(desk.told).toEqual(['the identity provider answers']);
  });

  it('says that nobody can join while it is away, asks no more for a second, and goes on once it is back', async () => {
    const desk = await Desk.open();
    const client = desk.client();
    const asked = await desk.asked('ada');
    expect(await codeOf(() => client.sign(asked))).toBe('IDP_UNREACHABLE');
    const dials = desk.dialled.length;
    expect(await codeOf(() => client.sign(asked))).toBe('IDP_UNREACHABLE');
    expect(desk.dialled).toHaveLength(dials);
    desk.serve();
    desk.ms += 1_000;
    expect((await client.sign(asked)).payload.operator).toBe('ada');
    expect(desk.told).toHaveLength(2);
  });

  it('asks a bounded number of questions at once, keeps a bounded number waiting, and refuses the rest', async () => {
    const desk = await Desk.open();
    const held: End[] = [];
    desk.there = (channel) => void held.push(channel);
    const client = desk.client();
    const asked = await desk.asked('ada');
    const { idpQuestionsMax, idpWaitingMax } = sessionLimits;
    const all = Array.from({ length: idpQuestionsMax + idpWaitingMax }, () =>
      client.sign(asked).then(
        () => 'granted',
        (error) => error.code,
      ),
    );
    await expect.poll(() => held.length).toBe(idpQuestionsMax);
    expect(await codeOf(() => client.sign(asked))).toBe('IDP_BUSY');
    // Those that waited for longer than a member does are not asked any more.
    desk.ms += 15_000;
    const error = { kind: 'error' as const, code: 'TICKET_EXHAUSTED', message: 'no' };
    for (const channel of held) await channel.send(encodeMessage(error));
    const codes = await Promise.all(all);
    expect(codes.filter((code) => code === 'TICKET_EXHAUSTED')).toHaveLength(idpQuestionsMax);
    expect(codes.filter((code) => code === 'IDP_BUSY')).toHaveLength(idpWaitingMax);
    desk.serve();
    expect((await client.sign(asked)).payload.operator).toBe('ada');
  });

  it('tells it a newer charter and where it is, and takes a newer one from it', async () => {
    const desk = await Desk.open();
    desk.serve();
    const client = desk.client();
    desk.charter = await desk.paper.next('nothing');
    await client.sign(await desk.asked('ada'));
    expect(desk.machine.state.charter?.payload.epoch).toBe(2);
    expect(desk.addresses).toEqual([['/ip4/192.0.2.2/tcp/4710']]);
    const third = await desk.paper.next('nothing');
    desk.machine.handle({ kind: 'charter', charter: third }, epochMs);
    await client.sign(await desk.asked('bob'));
    expect(desk.charter.payload.epoch).toBe(3);
  });

  it('finds it under another key, at the same address', async () => {
    const desk = await Desk.open();
    const charter = await desk.paper.next('idp');
    desk.machine.handle({ kind: 'started', charter, key: desk.paper.idp.id, grantMs: 60_000 }, epochMs);
    desk.serve();
    const grant = await desk.client().sign(await desk.asked('ada'));
    expect(grant.signer).toBe(desk.paper.idp.id);
    expect(desk.charter.payload.epoch).toBe(2);
  });

  it('takes no charter that the root key did not sign', async () => {
    const desk = await Desk.open();
    const { controller: thief } = desk.paper;
    const forged = await signMessage('charter', { ...desk.charter.payload, iss: thief.id, epoch: 9 }, thief);
    desk.say({ kind: 'charter', charter: forged.raw });
    expect(await codeOf(() => desk.client().exchange())).toBe('CHARTER_ISSUER_MISMATCH');
    // Nor one of the same epoch.
    const { charter } = desk;
    const other = await signMessage('charter', { ...charter.payload, name: 'other' }, desk.paper.root);
    desk.say({ kind: 'charter', charter: other.raw });
    await desk.client().exchange();
    expect(desk.charter).toBe(charter);
  });

  it('passes on why it refuses', async () => {
    const desk = await Desk.open();
    desk.serve();
    const client = desk.client();
    const { enrol, grant } = await desk.asked('eve');
    expect(await codeOf(() => client.sign({ enrol, grant }))).toBe('KEY_NOT_ENROLLED');
    expect(desk.told).toEqual(['the identity provider answers']);
    // Members wait for what has such a code as long as they wait for a full controller.
    for (const code of ['MESH_FULL', 'MESH_PEER_RATE', 'MESH_BUSY']) {
      desk.say({ kind: 'error', code, message: 'wait' });
      expect(await codeOf(() => client.sign({ enrol, grant }))).toBe('IDP_BUSY');
    }
  });

  it('tells of one that answers something else, or nothing; has none before its own charter', async () => {
    const desk = await Desk.open();
    const client = desk.client();
    const asked = await desk.asked('ada');
    desk.say({ kind: 'grant', grant: (await desk.paper.grant(asked.grant)).raw });
    expect(await codeOf(() => client.exchange())).toBe('IDP_ANSWER_MISMATCH');
    desk.say({ kind: 'error', code: 'IDP_CONTROLLER_UNKNOWN', message: 'no' });
    expect(await codeOf(() => client.exchange())).toBe('IDP_CONTROLLER_UNKNOWN');
    desk.there = (channel) => void channel.close();
    expect(await codeOf(() => client.exchange())).toBe('IDP_UNREACHABLE');
    expect(desk.told.at(-1)).toContain('it closed the stream');
    desk.charter = null as unknown as typeof desk.charter;
    expect(await codeOf(() => client.exchange())).toBe('CONTROLLER_NOT_STARTED');
  });

  it('is asked once more for a grant only where it has another charter', async () => {
    const desk = await Desk.open();
    const kinds: string[] = [];
    desk.there = async (channel) => {
      const { kind } = JSON.parse(fromUtf8((await channel.receive()) ?? toUtf8('{}')));
      kinds.push(kind);
      const charter = { kind: 'charter', charter: desk.charter.raw };
      await channel.send(encodeMessage(kind === 'charter' ? charter : {}));
    };
    const asked = await desk.asked('ada');
    expect(await codeOf(() => desk.client().sign(asked))).toBe('IDP_UNREACHABLE');
    expect(kinds).toEqual(['grant', 'charter']);
  });

  it('hands on no grant for something else, by another key, or what is none', async () => {
    const desk = await Desk.open();
    const asked = await desk.asked('ada');
    const other = await desk.paper.grant({ ...asked.grant, operator: 'eve' });
    desk.say({ kind: 'grant', grant: other.raw });
    expect(await codeOf(() => desk.client().sign(asked))).toBe('IDP_ANSWER_MISMATCH');
    desk.say({ kind: 'charter', charter: desk.charter.raw });
    expect(await codeOf(() => desk.client().sign(asked))).toBe('IDP_ANSWER_MISMATCH');
    const keyed = await desk.paper.grant({ ...asked.grant, sub: desk.paper.root.id });
    desk.say({ kind: 'grant', grant: keyed.raw });
    expect(await codeOf(() => desk.client().sign(asked))).toBe('GRANT_KEY_MISMATCH');
    desk.say('{}');
    expect(await codeOf(() => desk.client().sign(asked))).toBe('IDP_UNREACHABLE');
  });
});

describe('an identity provider', () => {
  it('without a charter, or that stops, says so', async () => {
    const desk = await Desk.open();
    desk.serve();
    const asked = await desk.asked('ada');
    desk.machine.handle = () => ({ effects: [], durability: 'none' });
    expect(await codeOf(() => desk.client().sign(asked))).toBe('IDP_NOT_STARTED');
    Object.assign(desk.machine.state, { charter: null });
    expect(await codeOf(() => desk.client().exchange())).toBe('IDP_NOT_STARTED');
  });

  it('keeps addresses that its controller tells, and a charter that is newer', async () => {
    const desk = await Desk.open();
    desk.serve();
    const epochs: number[] = [];
    const { handle } = desk.machine;
    desk.machine.handle = (event, now) => {
      if (event.kind === 'charter') epochs.push(event.charter.payload.epoch);
      return handle.call(desk.machine, event, now);
    };
    const other = { ...desk.charter.payload, name: 'other' };
    const same = await signMessage('charter', other, desk.paper.root);
    desk.charter = same;
    await desk.client().exchange();
    desk.charter = await desk.paper.next('nothing');
    await desk.client().exchange();
    expect(epochs).toEqual([2]);
    expect(desk.addresses).toHaveLength(2);
    desk.own = [];
    await desk.client().exchange();
    expect(desk.addresses).toHaveLength(2);
  });
});
