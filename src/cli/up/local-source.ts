import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { changeCharter, openProjectFolder, type ProjectFolder } from '../../owner/project-folder.ts';
import { endServed, tellServed } from '../../owner/served-source.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { jobFileNames } from '../../protocol/base/job-file-names.ts';
import type { Charter } from '../../protocol/documents/index.ts';
import { committedFile, serveFolder } from '../../source/index.ts';

/** Ports at which the repository was served: open jobs name them. */
export const portsBefore = ({ vcs }: Pick<Charter, 'vcs'>): number[] =>
  vcs.flatMap((host) => /^127\.0\.0\.1:(\d+)$/.exec(host)?.[1] ?? []).map(Number);

/** Serves the repository at `root` to workers on this machine. The charter of `folder` is made to name the port. @throws as of `changeCharter`, SOURCE_… */
export async function openSource(root: string, folder: ProjectFolder) {
  const { vcs } = folder.charter;
  const served = await serveAt(root, folder.name, [...portsBefore(folder.charter), 0]);
  const host = `127.0.0.1:${served.port}`;
  const url = `git://${host}/${folder.name}`;
  let isAnnounced = false;
  try {
    if (!vcs.includes(host)) await changeCharter(folder, { vcs: [...vcs, host] });
    return {
      url,
      /** With a charter that names the server. */
      folder: await openProjectFolder(folder.dir),
      /** A step that is needed before anything can be built. */
      note: await missing(root),
      /** Lets `quorate run` find it. */
      announce() {
        isAnnounced = true;
        return tellServed(root, { url, pid: process.pid });
      },
      async close() {
        // Else the file is of another quorate up, which was faster.
        if (isAnnounced) await endServed(root);
        await served.close();
      },
    };
  } catch (error) {
    await served.close();
    throw error;
  }
}

/** At the first of these ports that is free. */
async function serveAt(root: string, name: string, [port = 0, ...others]: readonly number[]) {
  try {
    return await serveFolder(root, { name, port });
  } catch (error) {
    if (others.length === 0) throw error;
    return serveAt(root, name, others);
  }
}

async function missing(root: string): Promise<string | undefined> {
  const name = jobFileNames.find((one) => existsSync(join(root, one)));
  if (name === undefined) return 'quorate.yaml is missing: it says what is built (docs/steps.md)';
  try {
    await committedFile(join(root, name));
    return undefined;
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    const commit = `git add ${name} .gitignore && git commit -m Quorate`;
    if (codeOf(error) === 'SOURCE_FILE_NOT_COMMITTED' || codeOf(error) === 'SOURCE_NO_COMMIT') return commit;
    throw error;
  }
}
