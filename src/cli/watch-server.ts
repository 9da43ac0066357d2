import { checkWebhook, readSecret } from '../forge/index.ts';
import { listenHttp } from '../http/listen.ts';
import { watchApp, webhookBytesMax } from '../http/watch/index.ts';
import { badgeOf } from '../runtime/watch/view.ts';
import type { WatchFile } from '../runtime/watch/watch-file.ts';
import type { Watcher } from '../runtime/watch/watcher.ts';

/** Webhooks of one address: a forge sends a few for each push. */
const limits = { bodyBytesMax: webhookBytesMax, requestsPerSecond: 5, requestsBurst: 50 };

/** Serves webhooks and badges where `watch.toml` says so. Errors: `FORGE_TOKEN_UNREADABLE`, `HTTP_…`. */
export async function serveWatch(
  { forge, listen, settings }: WatchFile,
  watcher: Watcher,
): Promise<{ url: string; close(): Promise<void> } | undefined> {
  if (listen === undefined) return undefined;
  const { kind, webhookSecretFile } = forge ?? {};
  const secret = webhookSecretFile === undefined ? undefined : await readSecret(webhookSecretFile);
  const { state } = watcher.machine;
  const app = watchApp({
    label: settings.context,
    badge: (ref) => badgeOf(state, ref),
    ...(kind !== undefined &&
      secret !== undefined && {
        webhook: {
          take: (parts) => watcher.hook(checkWebhook({ ...parts, kind, secret, now: Date.now() })),
        },
      }),
  });
  const { host, port, names } = listen;
  const server = await listenHttp({ host, port, names, app, limits, option: '[http] listen in watch.toml' });
  const shown = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${shown}:${server.port}`, close: () => server.close() };
}
