import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createKey, loadKey } from '../identity/keys.ts';
import { joseVerifier } from '../identity/verifier.ts';
import { inFile, readOptional } from '../node/files.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { openMessage } from '../protocol/documents/index.ts';
import { enforce } from '../protocol/judge/index.ts';
import { checkNotCommitted, ignoreProjectFolder, repositoriesAround } from './own-folder.ts';
import { openProjectFolder, type ProjectFolder, writeCharter } from './project-folder.ts';
import { keyFiles } from './project-keys.ts';

/**
 * Makes the key of an identity provider that runs apart in `<where>/.quorate`; one that is there is kept. Returns its PeerId.
 * @throws {QuorateError} `PROJECT_EXISTS` in the folder of a controller, `PROJECT_FOREIGN`, SOURCE_…, `KEY_FILE_…`
 */
export async function initIdp(
  where: string,
): Promise<{ key: string; dir: string; made: boolean; ignored: 'added' | 'kept' }> {
  const dir = join(where, '.quorate');
  if (existsSync(join(dir, keyFiles.controller)))
    throw new QuorateError('PROJECT_EXISTS', `${dir} holds the key of a controller`, {
      hint: 'The identity provider needs a folder of its own, best on another host: that is what it is apart for.',
    });
  await checkNotCommitted(dir);
  const [repository] = repositoriesAround(where);
  const ignored = repository === undefined ? 'kept' : await ignoreProjectFolder(where, repository);
  const file = join(dir, keyFiles.idp);
  const made = !existsSync(file);
  const { id } = made ? await createKey(file) : await loadKey(file);
  return { key: id, dir, made, ignored };
}

/**
 * Opens the folder of an identity provider, with a charter from elsewhere where it has none or an older one.
 * @throws {QuorateError} `IDP_CHARTER_NEEDED`, `IDP_KEY_HERE`, `CHARTER_…`, `DOC_…`, `KEY_FILE_…`
 */
export async function openIdpFolder(dir: string, charterFile: string | undefined): Promise<ProjectFolder> {
  if (existsSync(join(dir, keyFiles.controller)))
    throw new QuorateError('IDP_KEY_HERE', `${dir} holds the key of the controller too`, {
      hint: 'Its process signs grants by itself: quorate controller. Apart: quorate idp init, in a folder of its own.',
    });
  const isThere = existsSync(join(dir, 'charter.jws'));
  if (charterFile === undefined) {
    if (isThere) return openProjectFolder(dir);
    throw new QuorateError('IDP_CHARTER_NEEDED', `${dir} has no charter`, {
      hint: 'Take charter.jws from the .quorate/ that "quorate init --idp" made: quorate idp --charter <file>',
    });
  }
  const text = await readOptional(charterFile);
  if (text === undefined) throw new QuorateError('IDP_CHARTER_NEEDED', `there is no file ${charterFile}`);
  const charter = await inFile(
    charterFile,
    'Copy it again from the .quorate/ that "quorate init --idp" made.',
    () => openMessage('charter', text.trim(), joseVerifier),
  );
  const { project } = charter.payload;
  const byRoot = charter.signer === project;
  enforce('CHARTER_ISSUER_MISMATCH', byRoot, `${charterFile} is not signed by the root key of its project`);
  const before = isThere ? (await openProjectFolder(dir)).project : project;
  enforce('CHARTER_PROJECT_MISMATCH', before === project, `${dir} is of project ${before}, not ${project}`);
  await writeCharter(dir, charter);
  return openProjectFolder(dir);
}
