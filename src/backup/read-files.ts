import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { readImageFile } from '../execution/images/files.ts';
import { loadKey } from '../identity/keys.ts';
import { joseVerifier } from '../identity/verifier.ts';
import { inFile, readOptional } from '../node/files.ts';
import { openLeafFile } from '../node/leaf-file.ts';
import { openHome } from '../node/membership/home.ts';
import { openRevocationBook } from '../node/membership/revocation-file.ts';
import { signInToken } from '../node/membership/sign-ins.ts';
import { toldAlarms } from '../node/membership/told-alarms.ts';
import { openProjectFolder, readCharter } from '../owner/project-folder.ts';
import { codeOf, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { decodeBundle, openMessage } from '../protocol/documents/index.ts';
import { openCheckpoint } from '../protocol/transparency/index.ts';
import { verifyBundle } from '../protocol/trust/index.ts';
import { readPins } from '../store/check.ts';
import { linksOf, parseCid } from '../store/nodes.ts';
import { Ledger } from '../store-node/node/ledger.ts';
import { readWatchFile } from '../watcher/node/watch-file.ts';
import { projectKeys } from './homes.ts';
import type { ReplayedController } from './journals.ts';

/** Reads a file as the process does whose it is; that may cut off what a crash left unfinished. */
type Read = (file: string, signal: AbortSignal) => Promise<unknown>;

/** The project in the name of a file, `store-<project>.json`. */
const projectIn = (file: string): string =>
  /-?([1-9A-HJ-NP-Za-km-z]{40,60})(?:\.|-equivocation)/.exec(basename(file))?.[1] ?? '';

/** By the path of a part, those of which more is known than that they can be read. */
export const readers: Readonly<Record<string, Read>> = {
  'charter.jws': (file) => readCharter(dirname(file)),
  'controller.json': async (file) => (await openProjectFolder(dirname(file))).address(),
  'revocations/*.json': async (file) =>
    file.includes('-equivocation-') || openRevocationBook(dirname(dirname(file)), projectIn(file)),
  'store/pins.log': async (file) => {
    const { mended } = readPins(file);
    if (mended.length > 0) throw new Mends('STORE_PINS_DAMAGED', mended.join('; '));
  },
  'store-*.json': (file) => Ledger.open(file),
  'charter-*.jws': async (file) => {
    const raw = (await readOptional(file)) ?? '';
    const hint = 'Remove it: the charter is learned again.';
    return inFile(file, hint, () => openMessage('charter', raw.trim(), joseVerifier));
  },
  'projects/*.json': (file) => openHome(dirname(dirname(file))).memberships(),
  'watch.toml': (file) => readWatchFile(file),
  'watch-log-*.txt': (file) => openLeafFile(file).load(),
  'told-alarms-*.json': (file) => toldAlarms(openHome(dirname(file)), projectIn(file)),
  // Of a store, which holds it as proof; a controller compares its own with hashes.
  'bundles/*.json': (file) => {
    const hint = 'Start the store: it fetches it again.';
    return inFile(file, hint, async () => {
      const bundle = decodeBundle((await readOptional(file)) ?? '');
      const { project } = (await openMessage('charter', bundle.charter, joseVerifier)).payload;
      const { ok, steps } = await verifyBundle(bundle, { project, revocations: [] }, joseVerifier);
      const failed = steps.find((step) => !step.ok)?.says ?? 'no step failed';
      if (!ok) throw new QuorateError('HOME_DAMAGED', `${file} proves nothing: ${failed}`, { hint });
    }).catch((error) => {
      throw codeOf(error) === 'HOME_DAMAGED' ? new Mends('HOME_DAMAGED', messageOf(error), { hint }) : error;
    });
  },
  'images/*.car': (file, signal) => {
    const nowhere = {
      parse: parseCid,
      links: linksOf,
      put: async () => {},
      during: <T>(work: () => Promise<T>) => work(),
    };
    return readImageFile({ blocks: nowhere }, dirname(file), basename(file, '.car'), { signal });
  },
  ...Object.fromEntries([...projectKeys, 'node.key'].map((path) => [path, (file: string) => loadKey(file)])),
  'sign-ins.json': (file) => signInToken(dirname(file), ''),
};

/** Damage that is put right by itself. */
export class Mends extends QuorateError {}

/** Compares the last checkpoint with the log that the journal gives. @throws {QuorateError} `LOG_BEHIND_CHECKPOINT`, `HOME_DAMAGED` */
export async function compareCheckpoint(
  file: string,
  { id, machine }: ReplayedController,
  project: string,
): Promise<void> {
  const note = await readFile(file, 'utf8');
  const { log, charter } = machine.state;
  // Of another key it is one of before, which a start passes over.
  const opened = await inFile(file, 'Put it back from a copy, or remove it.', () =>
    openCheckpoint(note, { project, log: charter?.payload.log ?? id }, joseVerifier).catch((error) => {
      if (codeOf(error) === 'CHECKPOINT_UNSIGNED') return undefined;
      throw error;
    }),
  );
  if (opened === undefined) return;
  const { size, root } = opened;
  if (size > log.size)
    throw new Mends(
      'LOG_BEHIND_CHECKPOINT',
      `${file} is of a log with ${size} leaves, and the journal has ${log.size}: a start asks the members for the others`,
    );
  if (log.root(size) !== root) {
    const message = `the first ${size} leaves of the journal are not those of which ${file} is`;
    throw new QuorateError('LOG_BEHIND_CHECKPOINT', message, {
      hint: 'Put journal and checkpoint back from one backup.',
    });
  }
}
