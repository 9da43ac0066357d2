import { checkWebhook, readSecret } from '../../forge/index.ts';
import { namesIn, urlOf } from '../../http/addresses.ts';
import { errorPageWith } from '../../http/kit/layout.ts';
import { listenHttp } from '../../http/listen.ts';
import { openSignIn } from '../../http/sign-in/open.ts';
import { checkOwnFile } from '../../owner/own-folder.ts';
import { version } from '../../program.ts';
import { refusalOfAgain } from '../machine/again.ts';
import { badgeOf, viewOf } from '../machine/view.ts';
import type { OpenWatcher } from '../node/open.ts';
import type { WatchFile } from '../node/watch-file.ts';
import { watchApp, webhookBytesMax } from '../page/index.ts';

/** Webhooks of one address: a forge sends a few for each push. */
const limits = { bodyBytesMax: webhookBytesMax, requestsPerSecond: 5, requestsBurst: 50 };

/** Serves webhooks, badges and the page of approvals where `watch.toml` says so. @throws `FORGE_TOKEN_UNREADABLE`, `SIGN_IN_FILE_…`, `HTTP_…`. */
export async function serveWatch(
  { forge, listen, settings }: WatchFile,
  { running: { machine, watcher }, charter }: OpenWatcher,
  note: (line: string) => void,
): Promise<{ url: string; close(): Promise<void> } | undefined> {
  if (listen === undefined) return undefined;
  const { kind, webhookSecretFile } = forge ?? {};
  const secret = webhookSecretFile === undefined ? undefined : await readSecret(webhookSecretFile);
  const { state } = machine;
  const { host, port, names, signIn } = listen;
  const onError = ({ message }: Error) => note(message);
  const options = { members: undefined, charter, issuer: undefined, checkOwn: checkOwnFile, onError };
  const people = signIn === undefined ? undefined : await openSignIn({ path: signIn, ...options });
  const app = watchApp({
    version: version(),
    label: settings.context,
    badge: (ref) => badgeOf(state, ref),
    webhook:
      kind === undefined || secret === undefined
        ? undefined
        : { take: async (parts) => watcher.hook(checkWebhook({ ...parts, kind, secret, now: Date.now() })) },
    pipelines: people && {
      people,
      publications: () => viewOf(state).publications,
      mayAgain: (id) => refusalOfAgain(state, id) === undefined,
      again: watcher.again.bind(watcher),
    },
    approvals: people && { people, pulls: () => viewOf(state).pulls, decide: watcher.decide.bind(watcher) },
  });
  const known = [...names, ...(people === undefined ? [] : namesIn([people.origin]))];
  const errorPage = errorPageWith(people && { href: '/approvals', text: 'To the pull requests' });
  const server = await listenHttp({
    host,
    port,
    names: known,
    app,
    limits,
    errorPage,
    option: '[http] listen in watch.toml',
    onClose: () => people?.close(),
  });
  return { url: urlOf(host, server.port), close: server.close };
}
