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
 * Removes the membership with its grant, and what the worker wrote. In a home of its own all that workers
 * kept goes; else the results of this project, or none while another worker has the store open. The key of the home, `worker.toml`
 * and revocations stay.
 * @throws `JOURNAL_…`, `STORE_…`, HOME_UNWRITABLE
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
  const isOther = (name: string) =>
    (name.endsWith('.db') && name !== own) || /^(?:store-.*\.json|hooks)$/.test(name);
  return (await readdir(dir)).some(isOther);
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
