import { sha256 } from '@noble/hashes/sha2.js';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import { sandboxProfile } from '../src/protocol/base/sandbox-profile.ts';
import { toUtf8 } from '../src/protocol/base/text.ts';
import {
  type Capabilities,
  type Charter,
  encodeJob,
  type Grant,
  type Job,
  type Lease,
  makeReceipt,
  type Outcome,
  type ReceiptFacts,
  type Request,
  type Revocation,
  type RevocationTarget,
  type Role,
  type Signer,
  sha256Hex,
  signMessage,
  signStatement,
  type Verified,
} from '../src/protocol/documents/index.ts';
import type { Keys } from './keys.ts';

/** 2026-01-01T00:00:00Z: simulations begin here. */
export const epochMs = 1_767_225_600_000;
export const seconds = (now: number) => Math.floor(now / 1000);

/** A CID like that of a tree that holds `text`. */
export function treeCid(text: string): string {
  return CID.createV1(0x70, Digest.create(0x12, sha256(toUtf8(text)))).toString();
}

/** 128 bits that look random and follow from `text`. */
export const nonceOf = (text: string) => sha256Hex(toUtf8(text)).slice(0, 32);
export const exited = (artifact: string | null, code = 0): Outcome => ({ kind: 'exit', code, artifact });

/** Jobs that a simulated machine builds at once. */
export const jobsAtOnce = 1;
export const capabilities: Capabilities = {
  arch: 'x86_64',
  cpus: 2,
  memoryBytes: 2 ** 31,
  diskBytes: 2 ** 31,
  tiers: ['namespace'],
};

export function jobNamed(name: string, over: Partial<Job> = {}): { job: Job; jobId: string } {
  const job: Job = {
    v: 1,
    name,
    source: {
      url: `https://git.example/${name}.git`,
      commit: nonceOf(name).padEnd(40, '0'),
      tree: treeCid(name),
    },
    image: 'host',
    arch: 'x86_64',
    inputs: {},
    run: ['make'],
    env: {},
    outputs: ['.'],
    limits: { cpus: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, pids: 64, seconds: 600 },
    profile: sandboxProfile,
    cids: 'unixfs-v1-2025+x',
    ...over,
  };
  return { job, jobId: encodeJob(job).id };
}

/** Key fields of the next charter: those that differ from the charter in force. */
export type KeyChange = 'nothing' | 'controller' | 'idp' | 'idp at once';

/** Names of the trusted workers that charters name. */
export const trustedNames = (second: boolean): string[] => (second ? ['trusted', 'second'] : ['trusted']);

/** A project and those who sign for it. Everything in it is signed by the right key; attackers bring their own. */
export class Paperwork {
  readonly keys: Keys;
  readonly root;
  /** Keys that the controller had, the present one last. */
  readonly controllers;
  /** Keys of the identity provider that the charter names, the one that signs first. */
  idps;
  #replaced = 0;
  /** Epoch of the charter that was signed last. */
  #epoch = 1;

  /** Names of the trusted workers. */
  readonly #trusted: readonly string[];

  /** The least version of workers that every charter names. */
  readonly #leastWorker: string | undefined;

  constructor(keys: Keys, trusted: readonly string[] = ['trusted'], leastWorker?: string) {
    this.#trusted = trusted;
    this.#leastWorker = leastWorker;
    this.keys = keys;
    this.root = keys.signer('root');
    this.controllers = [keys.signer('controller')];
    this.idps = [keys.signer('idp')];
  }

  get controller(): Signer {
    const last = this.controllers.at(-1);
    if (last === undefined) throw new Error('a controller has a key');
    return last;
  }

  get idp(): Signer {
    const [first] = this.idps;
    if (first === undefined) throw new Error('an identity provider has a key');
    return first;
  }

  /** The owner makes another key, which the next charter names. */
  replace(what: KeyChange): void {
    const signer = this.keys.signer(`another ${++this.#replaced}`);
    if (what === 'controller') this.controllers.push(signer);
    if (what === 'idp') this.idps = [signer, ...this.idps];
    if (what === 'idp at once') this.idps = [signer];
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The owner signs the next charter. */
  next(what: KeyChange): Promise<Verified<Charter>> {
    this.replace(what);
    const epoch = ++this.#epoch;
    return this.charter({ epoch, vcs: ['git.example', `host${epoch}.example`] });
  }

  get project(): string {
    return this.root.id;
  }

  charter(over: Partial<Charter> = {}): Promise<Verified<Charter>> {
    const charter: Charter = {
      iss: this.root.id,
      project: this.project,
      name: 'project',
      epoch: 1,
      controllers: [this.controller.id],
      trusted: this.#trusted.map((name) => this.keys.signer(name).id),
      idps: this.idps.map(({ id }) => id),
      log: this.controller.id,
      vcs: [],
      floor: { agree: 1, of: 1, cosign: 'none', rounds: 8 },
      bootstrap: [],
      iat: seconds(epochMs),
      ...(this.#leastWorker !== undefined && { more: { leastWorker: this.#leastWorker } }),
      ...over,
    };
    return signMessage('charter', charter, this.root);
  }

  /** The key that only the text of a ticket holds, where its invite names one. */
  keyOfTicket(jti: string): Signer {
    return this.keys.signer(`ticket ${jti}`);
  }

  /** Proof that the holder of a ticket joins with this key. */
  possession(invite: string, key: string, now: number) {
    const holder = this.keyOfTicket(invite);
    const [iat, sub] = [seconds(now), this.keys.signer(key).id];
    const payload = { iss: holder.id, project: this.project, invite, sub, iat, exp: iat + 300 };
    return signMessage('possession', payload, holder);
  }

  invite(
    operator: string,
    role: Role,
    now: number,
    over: { hosts?: number; key?: string; jti?: string; held?: boolean } = {},
  ) {
    const iat = seconds(now);
    const { hosts = 1, key, jti = nonceOf(`invite ${operator} ${role}`), held = false } = over;
    return signMessage(
      'invite',
      {
        iss: this.idp.id,
        project: this.project,
        operator,
        role,
        hosts,
        ...(key === undefined ? {} : { key }),
        ...(held && { holder: this.keyOfTicket(jti).id }),
        addrs: [],
        jti,
        iat,
        exp: iat + 24 * 3600,
      },
      this.idp,
    );
  }

  /** A revocation of an operator, key, job, image or artifact; `as` names another signer than the identity provider. */
  revocation(
    what: RevocationTarget,
    since: number,
    now: number,
    over: { as?: string; reason?: string; keeps?: readonly string[]; project?: string } = {},
  ): Promise<Verified<Revocation>> {
    const { as, reason = 'not ours any more', keeps = [], project = this.project } = over;
    const signer = as === undefined ? this.idp : this.keys.signer(as);
    const payload = {
      iss: signer.id,
      project,
      what,
      since,
      reason,
      iat: seconds(now),
      ...(keeps.length > 0 && { v: 2 as const, keeps: [...keeps] }),
    };
    return signMessage('revocation', payload, signer);
  }

  enrol(key: string, now: number, invite?: string) {
    const signer = this.keys.signer(key);
    const iat = seconds(now);
    return signMessage(
      'enrol',
      {
        iss: signer.id,
        aud: this.idp.id,
        project: this.project,
        ...(invite === undefined ? {} : { invite }),
        jti: nonceOf(`enrol ${key} ${now}`),
        iat,
        exp: iat + 300,
      },
      signer,
    );
  }

  grant(grant: Grant): Promise<Verified<Grant>> {
    return signMessage('grant', grant, this.idp);
  }

  async request(
    publisher: string,
    work: { job: Job; jobId: string },
    now: number,
    over: Partial<Pick<Request, 'policy' | 'jti' | 'needs' | 'ref' | 'recipe' | 'rebuild' | 'more'>> & {
      seconds?: number;
    } = {},
  ) {
    const signer = this.keys.signer(publisher);
    const iat = seconds(now);
    return signMessage(
      'request',
      {
        iss: signer.id,
        aud: this.controller.id,
        project: this.project,
        job: work.jobId,
        ...(over.needs !== undefined && { needs: over.needs }),
        repo: work.job.source.url,
        ref: over.ref ?? 'refs/heads/main',
        commit: work.job.source.commit,
        ...(over.recipe !== undefined && { recipe: over.recipe }),
        policy: over.policy ?? { agree: 2, of: 3, cosign: 'required', rounds: 2 },
        rebuild: over.rebuild ?? false,
        ...(over.more !== undefined && { more: over.more }),
        jti: over.jti ?? nonceOf(`request ${work.jobId}`),
        iat,
        exp: iat + (over.seconds ?? 3600),
      },
      signer,
    );
  }

  claim(
    key: string,
    offer: string,
    now: number,
    over: { pass?: string; aud?: string; exp?: number; capabilities?: Capabilities } = {},
  ) {
    const signer = this.keys.signer(key);
    const iat = seconds(now);
    return signMessage(
      'claim',
      {
        iss: signer.id,
        aud: over.aud ?? this.controller.id,
        offer,
        ...(over.pass === undefined ? {} : { pass: over.pass }),
        capabilities: over.capabilities ?? capabilities,
        jti: nonceOf(`claim ${key} ${offer}`),
        iat,
        exp: over.exp ?? iat + 3600,
      },
      signer,
    );
  }

  /** A receipt of an honest worker; `over` replaces what dishonest ones state otherwise. */
  receipt(
    key: string,
    lease: { id: string; payload: Lease },
    job: Job,
    outcome: Outcome,
    over: { facts?: Partial<ReceiptFacts>; files?: { path: string; sha256: string }[] } = {},
  ) {
    const signer = this.keys.signer(key);
    const { project, job: jobId, offer, round, slot, fence, operator } = lease.payload;
    return signStatement(
      'receipt',
      makeReceipt({
        worker: signer.id,
        job,
        files: over.files ?? [],
        startedOn: '2026-01-01T00:00:00.000Z',
        finishedOn: '2026-01-01T00:00:10.000Z',
        facts: {
          project,
          job: jobId,
          offer,
          lease: lease.id,
          round,
          slot,
          fence,
          operator,
          outcome,
          log: null,
          sandbox: { tier: 'namespace', profile: sandboxProfile, portable: false },
          nonce: nonceOf(`receipt ${key} ${lease.id}`),
          ...over.facts,
        },
      }),
      signer,
    );
  }
}
