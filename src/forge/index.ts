import { type FileHandle, open } from 'node:fs/promises';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { ForgeApi } from './api.ts';
import { githubLike, gitlab, pagure } from './kinds.ts';
import type { Forge, ForgeOptions } from './types.ts';

const bytesMax = 4096;

/** Reads the one line of a file that only its owner may read. @throws FORGE_TOKEN_UNREADABLE */
export async function readSecret(path: string): Promise<string> {
  const refuse = (why: string, cause?: unknown) =>
    new QuorateError('FORGE_TOKEN_UNREADABLE', `${path} ${why}`, {
      hint: 'Write the token or the secret into it as one line, and let only yourself read it: chmod 600.',
      cause,
    });
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) throw refuse('may be read by others');
    if (size > bytesMax) throw refuse(`has over ${bytesMax} bytes`);
    const text = (await file.readFile('utf8')).trim();
    if (!/^[\x21-\x7e]+$/.test(text)) throw refuse('does not hold one word');
    return text;
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw refuse(`cannot be read: ${messageOf(cause)}`, cause);
  } finally {
    await file?.close();
  }
}

export type { ForgeErrorCode } from './error-codes.ts';
export { type CommitStatus, type Forge, type ForgeKind, forgeKinds, type OpenPull } from './types.ts';
export { checkWebhook, type WebhookParts } from './webhook.ts';

export function openForge({ kind, api, project, token }: ForgeOptions): Forge & { close(): Promise<void> } {
  const open = (headers: Record<string, string>, of: (api: ForgeApi) => Forge) => {
    const opened = new ForgeApi(api, headers);
    return { ...of(opened), close: () => opened.close() };
  };
  switch (kind) {
    case 'forgejo':
    case 'gitea':
      return open({ authorization: `token ${token}` }, (opened) =>
        githubLike(opened, `/api/v1/repos/${project}`, 'limit'),
      );
    case 'github':
      return open(
        {
          authorization: `Bearer ${token}`,
          accept: 'application/vnd.github+json',
          'x-github-api-version': '2022-11-28',
        },
        (opened) => githubLike(opened, `/repos/${project}`, 'per_page'),
      );
    case 'gitlab':
      return open({ 'private-token': token }, (opened) => gitlab(opened, project));
    case 'pagure':
      return open({ authorization: `token ${token}` }, (opened) => pagure(opened, api, project));
  }
}
