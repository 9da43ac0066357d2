import { namesIn } from '../../http/addresses.ts';
import { errorPage } from '../../http/kit/layout.ts';
import { Live } from '../../http/kit/live.ts';
import { type HttpServer, listenHttp } from '../../http/listen.ts';
import type { ProjectView } from '../node/project-view.ts';
import { pageApp } from './page-app.ts';

/** Serves pages of a view, without logs and bytes. `urls`: further addresses of it. @throws `HTTP_LISTEN_FAILED`. */
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
