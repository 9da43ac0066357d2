import { execFileSync, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../examples/demo/free-port.ts';
import { Person } from '../../bad-input/support/person.ts';
import { file, layoutOf, writeLayout } from '../../image/support.ts';
import { smallSystem } from '../../image/system.ts';

/** Debian's docker-registry with its files in a folder. Resolves when it answers. */
async function dockerRegistry(dir: string): Promise<string> {
  const host = `127.0.0.1:${await freePort()}`;
  const config = join(dir, 'registry.yml');
  const settings = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(dir, 'registry') } },
    http: { addr: host },
  };
  await writeFile(config, JSON.stringify(settings));
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await expect.poll(async () => (await fetch(`http://${host}/v2/`).catch(() => undefined))?.status).toBe(200);
  return host;
}

it("pulls from Debian's docker-registry what skopeo pushed, as the same image that an import makes", async () => {
  const person = await Person.arrive();
  const host = await dockerRegistry(person.dir);
  const layers = [smallSystem(), [file('etc/made', 'here')], [file('etc/.wh.made'), file('etc/other', 'x')]];
  const layout = await writeLayout(await layoutOf(layers));
  const skopeo = (...words: string[]): string =>
    execFileSync('skopeo', ['--insecure-policy', ...words], { encoding: 'utf8', timeout: 120_000 });
  const target = `docker://${host}/tools/small:v1`;
  skopeo('copy', '--dest-tls-verify=false', `oci:${layout}`, target);
  const tagged = await person.run(['image', 'pull', `${host}/tools/small:v1`]);
  expect(tagged.code).toBe(2);
  const { Digest } = JSON.parse(skopeo('inspect', '--tls-verify=false', target));
  expect(tagged.err).toContain(`quorate image pull ${host}/tools/small:v1@${Digest}`);
  const pulled = await person.run(['image', 'pull', `${host}/tools/small@${Digest}`], {
    env: { NO_PROXY: '*' },
  });
  expect(pulled.code, pulled.report).toBe(0);
  expect(pulled.out).toMatch(/^fetching its layers: .*\nunpacking its layers: .*\nstoring its files: .*\n/);
  const copy = person.at('copy');
  await mkdir(copy);
  skopeo('copy', '--src-tls-verify=false', `docker://${host}/tools/small@${Digest}`, `oci:${copy}`);
  const imported = await person.run(['image', 'import', copy]);
  expect(imported.code, imported.report).toBe(0);
  const cid = /^image (bafybei\w+)$/m;
  expect(cid.exec(pulled.out)?.[1]).toBe(cid.exec(imported.out)?.[1]);
});
