import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { issueInvite } from '../identity/idp.ts';
import { createKey, generateSeed, keyFromSeed, loadKey, type NodeKey } from '../identity/keys.ts';
import { encodeTicket } from '../identity/ticket.ts';
import { joseVerifier } from '../identity/verifier.ts';
import { inFile, parseFile, readOptional, writeAtomic, writeJson } from '../node/files.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import {
  type Charter,
  noteKinds,
  openMessage,
  type Policy,
  parseNoteKey,
  type Role,
  runsProject,
  signMessage,
  type Verified,
} from '../protocol/documents/index.ts';
import { checkNotCommitted } from './own-folder.ts';
import { playedHomes } from './played.ts';
import { checkApart, keyFiles, openKeys } from './project-keys.ts';

/** `<repo>/.quorate`: the keys and the charter of a project, for its owner. */
export type ProjectFolder = Awaited<ReturnType<typeof openProjectFolder>>;

const files = {
  ...keyFiles,
  charter: 'charter.jws',
  address: 'controller.json',
};

const addressSchema = z.strictObject({ addrs: z.array(z.string()), pid: z.int().optional() });

/** Default policy floor: the weakest policy that requests may have. Requires a co-signature. */
export const defaultFloor: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 8 };
/** The same for tests, which a slow trusted worker need not repeat. */
export const defaultTestFloor: Policy = { ...defaultFloor, cosign: 'none' };

/**
 * Creates the keys and the first charter. Uses keys that exist: of an interrupted call, or put there by the owner. `idp`: PeerId
 * of an identity provider whose key is elsewhere. @throws {QuorateError} `PROJECT_EXISTS`, `IDP_KEY_HERE`, `KEY_FILE_…`, `HOME_…`
 */
export async function initProject(
  repo: string,
  options: Pick<Charter, 'name' | 'vcs' | 'bootstrap'> &
    Partial<Pick<Charter, 'floor' | 'testFloor'>> & { idp?: string },
): Promise<ProjectFolder> {
  const dir = join(repo, '.quorate');
  if (existsSync(join(dir, files.charter)))
    throw new QuorateError('PROJECT_EXISTS', `${dir} holds a project already`, {
      hint: '"quorate charter set" changes what it says, "quorate controller" runs it.',
    });
  const root = await keyAt(join(dir, files.root));
  const controller = await keyAt(join(dir, files.controller));
  if (options.idp !== undefined && existsSync(join(dir, files.idp))) throw keyIsHere(dir);
  const idp = options.idp ?? (await keyAt(join(dir, files.idp))).id;
  const charter: Charter = {
    iss: root.id,
    project: root.id,
    name: options.name,
    epoch: 1,
    controllers: [controller.id],
    trusted: [],
    idps: [idp],
    log: controller.id,
    vcs: options.vcs,
    floor: options.floor ?? defaultFloor,
    testFloor: options.testFloor ?? defaultTestFloor,
    bootstrap: options.bootstrap,
    iat: Math.floor(Date.now() / 1000),
  };
  await writeAtomic(join(dir, unusedFile), '');
  await writeAtomic(join(dir, files.charter), (await signMessage('charter', charter, root.signer)).raw);
  return openProjectFolder(dir);
}

/** In the folder of a project whose controller never started: without a journal and without this file, the journal is lost. */
export const unusedFile = 'unused';

const keyAt = (file: string): Promise<NodeKey> => (existsSync(file) ? loadKey(file) : createKey(file));

/** `where`: the repository or its `.quorate`. @throws {QuorateError} `PROJECT_NOT_FOUND`, `PROJECT_FOREIGN`, SOURCE_…, `DOC_…`, `KEY_…` */
export async function openProjectFolder(where: string) {
  const dir = basename(where) === '.quorate' ? where : join(where, '.quorate');
  const charter = await readCharter(dir);
  if (charter === undefined)
    throw new QuorateError('PROJECT_NOT_FOUND', `there is no project in ${dir}`, {
      hint: 'quorate init creates one.',
    });
  const homes = playedHomes({ dir });
  await checkNotCommitted(homes === undefined ? dir : dirname(homes));
  const rootFile = join(dir, files.root);
  const { controller, idp, retired } = await openKeys(dir, charter.payload);
  return {
    dir,
    project: charter.payload.project,
    name: charter.payload.name,
    charter: charter.payload,
    charterJws: charter.raw,
    /** Undefined when the root key is kept elsewhere, as recommended. */
    root: existsSync(rootFile) ? await loadKey(rootFile) : undefined,
    /** @throws {QuorateError} `CONTROLLER_KEY_MISSING` where `holds` says that it is not here */
    get controller(): NodeKey {
      if (controller !== undefined) return controller;
      throw new QuorateError('CONTROLLER_KEY_MISSING', `the controller's key is not in ${dir}`, {
        hint: 'Run this on the host of the controller, or put the key back: controller.key',
      });
    },
    /** @throws {QuorateError} `IDP_KEY_APART` where `holds` says that it is not here */
    get idp(): NodeKey {
      if (idp !== undefined) return idp;
      throw new QuorateError('IDP_KEY_APART', `the identity provider's key is not in ${dir}`, {
        hint: 'Run this on the host of the identity provider, in its folder.',
      });
    },
    holds: { controller: controller !== undefined, idp: idp !== undefined },
    retired,
    /** Addresses of the controller, as it wrote them when it last started, or told the identity provider; undefined before. */
    async address() {
      const file = join(dir, files.address);
      const text = await readOptional(file);
      if (text === undefined) return undefined;
      return parseFile(file, text, addressSchema, 'Start the controller again: it writes the file.');
    },
  };
}

const copyHint =
  'Put it back from a copy; each member has one: the member "charter" of the file in projects/ of its home folder.';

/** Reads the charter and checks its signature; undefined when there is none. */
export async function readCharter(dir: string): Promise<Verified<Charter> | undefined> {
  const file = join(dir, files.charter);
  const raw = await readOptional(file);
  if (raw === undefined) return undefined;
  const charter = await inFile(file, copyHint, () => openMessage('charter', raw.trim(), joseVerifier));
  if (charter.signer !== charter.payload.project)
    throw new QuorateError(
      'CHARTER_ISSUER_MISMATCH',
      `${file} is not signed by the root key of its project`,
      { hint: 'Restore it from a copy; members refuse this one.' },
    );
  return charter;
}

/** Read again: another command may have changed it since the folder was opened. */
export const currentCharter = async ({ dir, charter }: ProjectFolder): Promise<Charter> =>
  (await readCharter(dir))?.payload ?? charter;

/** Puts the charter in force back where the file is an older copy, or another one of that epoch. Returns whether it was. */
export async function restoreCharter(dir: string, inForce: Verified<Charter> | null): Promise<boolean> {
  const there = await readCharter(dir);
  if (inForce === null || there === undefined || there.raw === inForce.raw) return false;
  if (there.payload.epoch > inForce.payload.epoch) return false;
  await writeAtomic(join(dir, files.charter), inForce.raw);
  return true;
}

export const startHint = 'Start it: quorate controller; to try it out, alone on this machine: quorate up';

/** Addresses of a controller that has run. @throws {QuorateError} `CONTROLLER_UNREACHABLE` where it has not */
export async function controllerAddrs(folder: Pick<ProjectFolder, 'address'>): Promise<string[]> {
  const address = await folder.address();
  if (address !== undefined) return address.addrs;
  throw new QuorateError('CONTROLLER_UNREACHABLE', 'the controller of this project has not run yet', {
    hint: startHint,
  });
}

export function writeAddress(dir: string, addrs: readonly string[]): Promise<void> {
  return writeJson(join(dir, files.address), { addrs });
}

/** The identity provider's key is where it should not be. */
export function keyIsHere(dir: string): QuorateError {
  return new QuorateError('IDP_KEY_HERE', `${join(dir, files.idp)} is the identity provider's key`, {
    hint: 'Its process is to run elsewhere: move the file to that host, or leave --idp away.',
  });
}

/** Keeps a charter that another process of the project showed, unless a newer one is there. */
export async function writeCharter(dir: string, charter: Verified<Charter>): Promise<void> {
  const there = await readCharter(dir);
  if (there !== undefined && there.payload.epoch >= charter.payload.epoch) return;
  await writeAtomic(join(dir, files.charter), charter.raw);
}

/**
 * Issues a ticket for one operator. For a trusted worker the root key also signs a new charter, which names the worker's key.
 * @throws {QuorateError} `INVITE_…`, `CHARTER_NEEDS_ROOT`, `TRUSTED_KEY_NOT_APART`, `TICKET_NO_ADDRESS`, `IDP_KEY_APART`
 */
export async function issueTicket(
  folder: ProjectFolder,
  options: { operator: string; role: Role; hosts: number; key?: string; seconds: number },
): Promise<{ ticket: string; charterChanged: boolean; expires: number; addrs: string[] }> {
  const { operator, role, hosts, key, seconds } = options;
  if (role === 'trusted-worker' && key === undefined)
    throw new QuorateError('INVITE_NEEDS_KEY', 'a ticket for a trusted worker names its key', {
      hint: 'Run "quorate key" on that machine, then: quorate invite <name> --role trusted-worker --key <what it printed>',
    });
  const { signer } = folder.idp;
  const address = await folder.address();
  if (address === undefined)
    throw new QuorateError('TICKET_NO_ADDRESS', 'the controller has not run yet, so its address is unknown', {
      hint: 'Start it first: quorate controller',
    });
  const trusted = role === 'trusted-worker' ? key : undefined;
  const charterChanged = trusted !== undefined && (await nameTrusted(folder, trusted));
  const now = Date.now();
  const seed = generateSeed();
  const addrs = address.addrs.slice(0, 8);
  const holder = keyFromSeed(seed).id;
  const { project } = folder;
  const invite = await issueInvite(signer, {
    project,
    operator,
    role,
    hosts,
    key,
    holder,
    addrs,
    now,
    seconds,
  });
  const ticket = encodeTicket({ invite: invite.raw, seed });
  return { ticket, charterChanged, expires: invite.payload.exp, addrs };
}

async function nameTrusted(folder: ProjectFolder, key: string): Promise<boolean> {
  // Read again: another ticket may have changed it since the folder was opened.
  const current = await currentCharter(folder);
  if (current.trusted.includes(key)) return false;
  checkApart(current, key);
  if (folder.root === undefined) throw needsRoot('name a trusted worker', folder.dir);
  await signNext(folder, current, { ...current, trusted: [...current.trusted, key] });
  return true;
}

const needsRoot = (act: string, dir: string): QuorateError =>
  new QuorateError('CHARTER_NEEDS_ROOT', `only the root key can ${act}, and it is not in this folder`, {
    hint: `Put root.key into ${dir} for this one command.`,
  });

/** Changes of an owner to a charter; an absent member stays. `witnesses`: null for none. */
export interface CharterChanges {
  /** Allowed source servers; an empty list allows any. */
  vcs?: readonly string[];
  witnesses?: NonNullable<Charter['witnesses']> | null;
  /** Whether job files of other repositories than the source are allowed. */
  recipes?: 'outside' | 'own';
  /** Without `rounds`: as many as before. */
  floor?: FloorChange;
  testFloor?: FloorChange;
  /** The least version of workers that get jobs; null for none. */
  leastWorker?: string | null;
}

/** A policy floor as an owner states it. */
export type FloorChange = Omit<Policy, 'rounds'> & { rounds?: number };

/** Signs the next charter. @throws {QuorateError} `CHARTER_…`, `NOTE_KEY_INVALID`, `WITNESS_KEY_NOT_APART`, `DOC_…` */
export async function changeCharter(
  folder: ProjectFolder,
  changes: CharterChanges,
): Promise<{ before: Charter; now: Charter; changed: boolean }> {
  const before = await currentCharter(folder);
  const { vcs = before.vcs, witnesses = before.witnesses ?? null } = changes;
  for (const key of witnesses?.keys ?? []) {
    const { name, kind, id } = parseNoteKey(key);
    if (kind !== noteKinds.cosignature)
      throw new QuorateError('NOTE_KEY_INVALID', `the key of ${name} is one for logs, and no witness's`);
    if (runsProject(before, id))
      throw new QuorateError(
        'WITNESS_KEY_NOT_APART',
        `the key of ${name} is that of this project's controller, identity provider or log, which a witness checks`,
      );
  }
  const {
    witnesses: _,
    recipes: allowed,
    more: { leastWorker: leastBefore, ...others } = {},
    ...kept
  } = before;
  const { leastWorker = leastBefore ?? null } = changes;
  const more = { ...others, ...(leastWorker !== null && { leastWorker }) };
  const { floor, testFloor, recipes = allowed } = changes;
  const wanted: Charter = {
    ...kept,
    vcs: [...vcs],
    ...(floor !== undefined && { floor: { rounds: before.floor.rounds, ...floor } }),
    ...(testFloor !== undefined && {
      testFloor: { rounds: (before.testFloor ?? before.floor).rounds, ...testFloor },
    }),
    ...(witnesses !== null && { witnesses }),
    ...(recipes === 'outside' && { recipes }),
    ...(Object.keys(more).length > 0 && { more }),
  };
  const sorted = ({ floor, testFloor, recipes, more, vcs, witnesses: of }: Charter) => [
    [floor, testFloor, recipes, more, of?.need],
    vcs.toSorted(),
    of?.keys.toSorted(),
  ];
  if (isDeepStrictEqual(sorted(wanted), sorted(before))) return { before, now: before, changed: false };
  return { before, now: await signNext(folder, before, wanted), changed: true };
}

/** Signs and writes a charter with the next epoch, which is in force with that one write. @throws {QuorateError} `CHARTER_NEEDS_ROOT`, `DOC_…`, `HOME_…` */
export async function signNext(
  { dir, root }: Pick<ProjectFolder, 'dir' | 'root'>,
  current: Charter,
  wanted: Charter,
): Promise<Charter> {
  if (root === undefined) throw needsRoot('change the charter', dir);
  const next: Charter = { ...wanted, epoch: current.epoch + 1, iat: Math.floor(Date.now() / 1000) };
  await writeAtomic(join(dir, unusedFile), '');
  await writeAtomic(join(dir, files.charter), (await signMessage('charter', next, root.signer)).raw);
  return next;
}
