import { createHash } from 'node:crypto';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import { keyFromSeed, type NodeKey } from '../../src/identity/keys.ts';
import { sandboxProfile } from '../../src/protocol/base/sandbox-profile.ts';
import {
  type Charter,
  type Grant,
  idOf,
  type Job,
  type Offer,
  type Policy,
  type Recipe,
  type Request,
  type Revocation,
  type Role,
  signMessage,
  type Verified,
} from '../../src/protocol/documents/index.ts';
import {
  addWitness,
  formatCheckpoint,
  type MerkleTree,
  signCheckpoint,
  witnessCheckpoint,
} from '../../src/protocol/transparency/index.ts';

/** When everything in these documents happens: 14 November 2023, in seconds. */
export const at = 1_700_000_000;

/** The same key for the same name, in every run. */
export function testKey(name: string): NodeKey {
  return keyFromSeed(createHash('sha256').update(`quorate test key ${name}`).digest());
}

/** A tree's CID for a name. No such tree exists. */
export function cidOf(name: string): string {
  const digest = createHash('sha256').update(`quorate test tree ${name}`).digest();
  return CID.createV1(0x70, Digest.create(0x12, digest)).toString();
}

/** 128 bits and more for a name, base64url. */
export function nonceOf(name: string): string {
  return createHash('sha256').update(`quorate test nonce ${name}`).digest('base64url').slice(0, 24);
}

export const root = testKey('root');
export const controller = testKey('controller');
export const idp = testKey('idp');
export const log = testKey('log');
export const publisher = testKey('publisher');
export const trusted = testKey('trusted');
export const project = root.id;

export const policy: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 2 };
export const repo = 'https://git.example/app.git';
export const commit = 'c0ffee'.padEnd(40, '0');

/** A job file of another repository than the source. */
export const recipe: Recipe = {
  repo: 'https://git.example/recipes.git',
  commit: 'facade'.padEnd(40, '0'),
  path: 'app/quorate.yaml',
  sha256: idOf('recipe'),
};

export function makeCharter(over: Partial<Charter> = {}): Charter {
  return {
    iss: root.id,
    project,
    name: 'example',
    epoch: 1,
    controllers: [controller.id],
    trusted: [trusted.id],
    idps: [idp.id],
    log: log.id,
    vcs: ['git.example'],
    floor: { agree: 2, of: 3, cosign: 'none', rounds: 2 },
    bootstrap: [],
    iat: at - 86_400,
    ...over,
  };
}

export function makeGrant(key: NodeKey, operator: string, role: Role, over: Partial<Grant> = {}): Grant {
  return {
    iss: idp.id,
    sub: key.id,
    project,
    operator,
    role,
    enrolled: 0,
    jti: nonceOf(`grant ${key.id}`),
    iat: at - 3600,
    exp: at - 3600 + 86_400,
    ...over,
  };
}

export function makeJob(over: Partial<Job> = {}): Job {
  return {
    v: 1,
    name: 'app',
    source: { url: repo, commit, tree: cidOf('source') },
    image: cidOf('image'),
    arch: 'x86_64',
    inputs: {},
    run: ['make', 'cp app $OUT'],
    env: {},
    outputs: ['app'],
    limits: { cpus: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, pids: 64, seconds: 600 },
    profile: sandboxProfile,
    cids: 'unixfs-v1-2025+x',
    ...over,
  };
}

export function makeRequest(job: string, over: Partial<Request> = {}): Request {
  return {
    iss: publisher.id,
    aud: controller.id,
    project,
    job,
    repo,
    ref: 'refs/heads/main',
    commit,
    policy,
    rebuild: false,
    jti: nonceOf('request'),
    iat: at,
    exp: at + 7200,
    ...over,
  };
}

export function makeOffer(request: string, job: string, over: Partial<Offer> = {}): Offer {
  return {
    iss: controller.id,
    project,
    charter: 1,
    request,
    job,
    round: 1,
    policy,
    draw: { seed: nonceOf('seed'), share: 2 ** 32, widenMs: 1000 },
    index: 0,
    needs: { arch: 'x86_64', cpus: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, image: cidOf('image') },
    iat: at + 10,
    exp: at + 7200,
    ...over,
  };
}

/** A revocation by this key, from the first leaf of the log on. */
export function revocationBy(
  by: NodeKey,
  what: Revocation['what'],
  over: Partial<Revocation> = {},
): Promise<Verified<Revocation>> {
  const payload = { iss: by.id, project, what, since: 0, reason: 'no', iat: at, ...over };
  return signMessage('revocation', payload, by.signer);
}

/** The checkpoint of a log, with the line of its key alone. */
export const noteOf = (
  tree: Pick<MerkleTree, 'size' | 'root'>,
  by = log,
  size = tree.size,
): Promise<string> => signCheckpoint(formatCheckpoint({ project, size, root: tree.root(size) }), by.signer);

/** A checkpoint with the line of a witness as well. `time`: in seconds. */
export const witnessedBy = async (note: string, { signer }: NodeKey, time: number): Promise<string> =>
  addWitness(note, await witnessCheckpoint(note, signer, time));
