import type { NodeKey } from '../../src/identity/keys.ts';
import { type Charter, type RevocationTarget, signMessage } from '../../src/protocol/documents/index.ts';
import { type Real, realProject } from '../proof/support.ts';
import * as it from '../support/project.ts';
import { type Row, rowOf, type State } from './table.ts';

/** The key that a charter names beside, or in the place of, another one. */
export const next = it.testKey('the next key');
const watcher = it.testKey('watcher');
const withoutCosign = { ...it.policy, cosign: 'none' } as const;

/** A bundle in which one document is signed by a key in that state, and what is known of the key. */
export interface Case {
  real: Real;
  /** The charter in force; that of the bundle where absent. */
  inForce: string | undefined;
  /** Those that whoever is asked has learned, with charters under which they hold. */
  revocations: string[];
  charters: string[];
}

/** Undefined where a key cannot be in that state. */
export async function caseOf(row: Row, state: State): Promise<Case | undefined> {
  if (row.document === 'revocation') return revocationCase(row, state);
  const plain = plainOf(row);
  const recipe = recipeOf(row, state);
  if (recipe === undefined) return undefined;
  const real = await realProject({ ...plain, ...recipe });
  const revocations = state === 'revoked by the root' ? [await ofKey(keyOf(row).id)] : [];
  return { real, inForce: await inForceOf(row, state, real.charter.payload), revocations, charters: [] };
}

/** A revocation of the artifact before whoever verifies a bundle that holds, by a key that nothing in the bundle rests on. */
async function revocationCase(row: Row, state: State): Promise<Case | undefined> {
  if (row.key === 'root' && state !== 'in force' && state !== 'revoked by the root') return undefined;
  const real = await realProject();
  const { payload } = real.charter;
  const named: Record<State, Charter> = {
    'in force': { ...payload, idps: [next.id] },
    'two keys at once': { ...payload, idps: [it.idp.id, next.id] },
    'rotated out': { ...payload, idps: [next.id] },
    'left out': payload,
    'revoked by the root': { ...payload, idps: [next.id] },
  };
  const key = row.key === 'root' ? it.root : next;
  const own = await revocation(key, { kind: 'artifact', id: real.cid });
  const ended = state === 'revoked by the root' ? [await ofKey(key.id)] : [];
  return {
    real,
    inForce: state === 'rotated out' ? await charterOf({ epoch: 2 }) : undefined,
    revocations: [...ended, own],
    charters: [await charterOf(named[state])],
  };
}

async function inForceOf(row: Row, state: State, charter: Charter): Promise<string | undefined> {
  if (state !== 'rotated out' || !(row.key in lists)) return undefined;
  return charterOf({ ...replaced(charter, row), epoch: 2 });
}

export const charterOf = async (over: Partial<Charter>): Promise<string> =>
  (await signMessage('charter', { ...it.makeCharter(), ...over }, it.root.signer)).raw;

async function revocation(by: NodeKey, what: RevocationTarget): Promise<string> {
  const payload = { iss: by.id, project: it.project, what, since: 0, reason: 'stolen', iat: it.at };
  return (await signMessage('revocation', payload, by.signer)).raw;
}

const ofKey = (id: string): Promise<string> => revocation(it.root, { kind: 'key', id });

/** Needed around a document of this kind so that it is in a bundle at all. */
function plainOf(row: Row): it.Recipe {
  if (row.key === 'watcher')
    return { keys: { publisher: watcher }, request: (valid) => ({ ...valid, jti: it.nonceOf('of a push') }) };
  const isLine = rowOf(row) === 'operator: line under a checkpoint';
  return isLine ? { policy: withoutCosign, own: null } : {};
}

function keyOf({ key }: Row): NodeKey {
  switch (key) {
    case 'root':
      return it.root;
    case 'controller':
      return it.controller;
    case 'log':
      return it.log;
    case 'identity provider':
      return it.idp;
    case 'trusted worker':
      return it.trusted;
    case 'operator':
      return it.workerKey('ada');
    case 'publisher':
      return it.publisher;
    case 'watcher':
      return watcher;
  }
}

const lists = {
  controller: 'controllers',
  'identity provider': 'idps',
  'trusted worker': 'trusted',
  log: 'log',
} as const;

/** With another key in the place of this one. */
function replaced(charter: Charter, { key }: Row): Charter {
  const list = key in lists ? lists[key as keyof typeof lists] : undefined;
  if (list === undefined) return charter;
  return list === 'log' ? { ...charter, log: next.id } : { ...charter, [list]: [next.id] };
}

function recipeOf(row: Row, state: State): it.Recipe | undefined {
  const { key } = row;
  const list = key in lists ? lists[key as keyof typeof lists] : undefined;
  switch (state) {
    case 'in force':
    case 'revoked by the root':
      return {};
    case 'two keys at once':
      if (key === 'root' || list === 'log') return undefined;
      if (list !== undefined)
        return { charter: (valid) => ({ ...valid, [list]: [next.id, ...valid[list]] }) };
      return key === 'operator' ? { runs: twoMachines } : undefined;
    case 'rotated out':
      return list === undefined ? undefined : {};
    case 'left out':
      return leftOut(row);
  }
}

const twoMachines: it.Run[] = [{ operator: 'ada', machine: 1 }, { operator: 'ada' }, { operator: 'bob' }];

/** Of the keys of the project only this document is by the one that the charter does not name. */
function leftOut(row: Row): it.Recipe | undefined {
  const charter = (valid: Charter) => replaced(valid, row);
  const ofNext = (valid: ReturnType<typeof it.makeRequest>) => ({ ...valid, aud: next.id });
  const ended = <T extends { exp: number }>(valid: T): T => ({ ...valid, exp: it.at - 60 });
  switch (rowOf(row)) {
    case 'controller: offer':
      return { charter, request: ofNext, keys: { controller: next, offers: it.controller, leases: next } };
    case 'controller: lease':
      return { charter, request: ofNext, keys: { controller: next, leases: it.controller } };
    case 'controller: verdict':
      return { charter, request: ofNext, keys: { controller: it.controller, offers: next, leases: next } };
    case 'log: checkpoint':
    case 'identity provider: grant':
    case 'trusted worker: receipt':
      return { charter };
    case 'trusted worker: co-signature':
      return { keys: { cosigner: next, witness: it.trusted } };
    case 'trusted worker: line under a checkpoint':
      return { keys: { witness: next } };
    case 'operator: receipt':
      return { grant: (valid) => (valid.operator === 'ada' ? ended(valid) : valid) };
    case 'operator: line under a checkpoint':
      return undefined;
    case 'publisher: request':
    case 'watcher: request':
      return { publisherGrant: ended };
    default:
      return undefined;
  }
}
