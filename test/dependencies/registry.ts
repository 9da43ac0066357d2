import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished, vi } from 'vitest';

/** The content type of a list of files that pip asks for (PEP 691). */
const pythonList = { 'content-type': 'application/vnd.pypi.simple.v1+json' };

/** A registry that has one file at each path, of Python packages a list where the path ends with a slash, for those with the token, if there is one; what it was asked for. */
export async function registry(
  files: Record<string, Buffer>,
  token?: string,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer(({ url = '', headers }, response) => {
    asked.push(url);
    if (token !== undefined && headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end();
      return;
    }
    const bytes = Object.hasOwn(files, url) ? files[url] : undefined;
    if (bytes === undefined) response.writeHead(404).end();
    else response.writeHead(200, url.endsWith('/') ? pythonList : {}).end(bytes);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubEnv('NO_PROXY', '127.0.0.1');
  vi.stubEnv('npm_config_registry', `${url}/configured`);
  return { url, asked };
}

/** A project of npm that depends on version 1.0.0 of packages, whose integrity is given by name. */
export function npmProject(url: string, packages: Record<string, string>): Record<string, string> {
  const names = Object.keys(packages);
  const dependencies = Object.fromEntries(names.map((name) => [name, '1']));
  const root = { name: 'project', version: '1.0.0', dependencies };
  const entries = Object.entries(packages).map(([name, integrity]) => [
    `node_modules/${name}`,
    { version: '1.0.0', resolved: `${url}/${name}/-/${name}-1.0.0.tgz`, integrity },
  ]);
  const lock = {
    name: 'project',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages: { '': root, ...Object.fromEntries(entries) },
  };
  return { 'package.json': JSON.stringify(root), 'package-lock.json': JSON.stringify(lock) };
}
