import { ForgeApi } from './api.ts';
import { githubLike } from './github-like.ts';
import { gitlab } from './gitlab.ts';
import { pagure } from './pagure.ts';
import type { Forge, ForgeOptions } from './types.ts';

export type { ForgeErrorCode } from './error-codes.ts';
export { readSecret } from './secret-file.ts';
export {
  type CommitStatus,
  type Forge,
  type ForgeKind,
  forgeKinds,
  type OpenPull,
  type OpenPulls,
} from './types.ts';
export { checkWebhook, type Webhook, type WebhookParts } from './webhook.ts';

/** A forge at the address that the owner names. */
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
