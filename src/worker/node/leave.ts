import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checkJournalFree } from '../../journal/index.ts';
import { openBundles } from '../../node/artifacts/bundles.ts';
import type { Home } from '../../node/membership/home.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { openStore } from '../../store/index.ts';
import { pinOfResults } from './results.ts';

/** Folders and files of a home that its workers share. */
const ofWorkers = ['store', 'bundles', 'image-cache', 'sandbox', 'peers.json', 'tiers.json'];

/**
 * Leaves a project: removes the membership with its grant, what its worker wrote, and what it kept of builds. Where the home belongs to
 * no other project and to no other process, all that workers kept goes; otherwise the results of this project, whose room is given back
 * with the next collection; where a worker of another project has the store open, they stay until that needs the room. The key of the home and `worker.toml` stay, and so do revocations, which whoever verifies goes by.
 * Errors: `JOURNAL_…`, `STORE_…`, `HOME_UNWRITABLE`.
 */
export async function leaveProject(home: Home, project: string): Promise<void> {
  const { dir } = home;
  checkEnded(join(dir, `worker-${project}.db`));
  const others = (await home.memberships()).filter((one) => one.project !== project);
  try {
    if (others.length > 0 || (await isOfOthers(dir, project))) await dropResults(dir, project);
    else {
      const left = (await readdir(dir)).filter((name) => name.startsWith('tmp-'));
      for (const name of [...ofWorkers, ...left]) await rm(join(dir, name), { recursive: true, force: true });
    }
    await rm(join(dir, `witness-${project}.json`), { force: true });
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw new QuorateError('HOME_UNWRITABLE', `${dir} cannot be changed: ${messageOf(cause)}`, {
      hint: 'Run it as the user whose folder it is.',
      cause,
    });
  }
  // Last: what fails before is done by the next attempt.
  await home.forget(project);
}

/** Throws where a worker has the journal. One that is damaged, or of a later version, goes as well. */
function checkEnded(journal: string): void {
  try {
    checkJournalFree(journal);
  } catch (error) {
    if (codeOf(error) === 'JOURNAL_IN_USE') throw error;
  }
}

/** Whether a watcher, a store or a controller lives in the folder too. */
async function isOfOthers(dir: string, project: string): Promise<boolean> {
  const own = `worker-${project}.db`;
  return (await readdir(dir)).some(
    (name) => (name.endsWith('.db') && name !== own) || /^(?:store-.*\.json|hooks)$/.test(name),
  );
}

/** Drops the bundles of a project, and the trees that they prove. */
async function dropResults(dir: string, project: string): Promise<void> {
  const bundles = openBundles(join(dir, 'bundles'));
  const names: string[] = [];
  for (const name of await bundles.names()) {
    const text = await bundles.text(name);
    if (text !== undefined && projectIn(text) === project) names.push(name);
  }
  if (names.length === 0) return;
  const artifacts = new Set(await bundles.artifacts());
  const store = await openStore({ dir: join(dir, 'store') }).catch((error: unknown) => {
    if (codeOf(error) !== 'STORE_IN_USE') throw error;
  });
  if (store === undefined) return;
  try {
    for (const name of names) {
      if (artifacts.has(name)) await store.unpin(name, pinOfResults);
      await bundles.drop(name);
    }
  } finally {
    await store.close();
  }
}

/** The project of a stored bundle; undefined where that cannot be read. */
function projectIn(text: string): string | undefined {
  try {
    const [, payload = ''] = String(JSON.parse(text).charter).split('.');
    return JSON.parse(Buffer.from(payload, 'base64url').toString()).project;
  } catch {
    return undefined;
  }
}
