import type { ProjectView } from '../runtime/controller/project-view.ts';
import { namesIn } from './host.ts';
import { type HttpServer, listenHttp } from './listen.ts';
import { errorPage } from './page/layout.ts';
import { Live } from './page/live.ts';
import { pageApp } from './page/page-app.ts';

/**
 * Serves pages of a view alone, without logs and bytes. `urls`: where it is reached, besides addresses.
 * Errors: `HTTP_PORT_IN_USE`, `HTTP_LISTEN_FAILED`.
 */
export async function servePages(options: {
  host: string;
  port: number;
  view: ProjectView;
  urls: readonly string[];
}): Promise<HttpServer> {
  const { host, port, view, urls } = options;
  const live = new Live();
  const app = pageApp({ view, live });
  const server = await listenHttp({ host, port, app, names: namesIn(urls), errorPage });
  return {
    ...server,
    async close() {
      live.close();
      await server.close();
    },
  };
}
