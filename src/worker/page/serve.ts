import { urlOf } from '../../http/addresses.ts';
import { type HttpServer, listenHttp } from '../../http/listen.ts';
import { type LenderPorts, lenderApp } from './app.ts';
import { lenderErrorPage } from './error-page.ts';
import { lenderPageLimits } from './limits.ts';

/**
 * Serves the page of a worker on a loopback address. `url`: the address that lets a browser in.
 * Errors: `HTTP_LISTEN_FAILED`.
 */
export async function serveLender(
  listen: { host: string; port: number },
  ports: Omit<LenderPorts, 'origin'>,
): Promise<HttpServer & { url: string }> {
  let origin = '';
  const server = await listenHttp({
    ...listen,
    app: lenderApp({ ...ports, origin: () => origin }),
    limits: {
      connectionsMax: lenderPageLimits.lenderConnectionsMax,
      connectionsPerAddressMax: lenderPageLimits.lenderConnectionsMax,
      bodyBytesMax: lenderPageLimits.lenderFormBytesMax,
    },
    option: '--listen',
    errorPage: lenderErrorPage,
  });
  origin = urlOf(server.host, server.port);
  return { ...server, url: `${origin}/?token=${ports.secrets.token}` };
}
