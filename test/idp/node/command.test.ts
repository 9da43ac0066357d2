import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../examples/demo/free-port.ts';
import { git } from '../../e2e/support/git.ts';
import { command, Inside } from '../../e2e/support/inside.ts';
import { folder } from '../../support/code-and-folder.ts';

/** `quorate … --json` in a folder. */
function quorate(cwd: string, ...args: string[]): Inside {
  const node = new Inside(`quorate ${args[0]}`, command(args, { home: join(cwd, 'home'), cwd, json: true }));
  onTestFinished(async () => void (await node.stop()));
  return node;
}

async function answer(cwd: string, ...args: string[]) {
  const node = quorate(cwd, ...args);
  const { code } = await node.end();
  return {
    code,
    line: node.lines[0] ?? {},
    error: (node.lines[0]?.error as { code?: string } | undefined)?.code,
  };
}

/** Folders of an identity provider and of a controller, as `quorate init --idp` leaves them. */
async function places(): Promise<{ idp: string; repo: string; charter: string }> {
  const [idp, repo] = [await folder(), await folder()];
  const { line } = await answer(idp, 'idp', 'init');
  await git(repo, 'init', '--quiet');
  const made = await answer(repo, 'init', '--name', 'tools', '--idp', String(line.key));
  expect(made.code).toBe(0);
  return { idp, repo, charter: join(repo, '.quorate', 'charter.jws') };
}

describe('quorate idp', () => {
  it('runs in its own folder, lets people sign in, and is refused where the controller’s key is', async () => {
    const { idp, repo, charter } = await places();
    expect(await answer(idp, 'idp')).toMatchObject({ code: 2, error: 'IDP_CHARTER_NEEDED' });
    expect(await answer(repo, 'idp')).toMatchObject({ code: 2, error: 'IDP_KEY_HERE' });
    expect(await answer(repo, 'controller')).toMatchObject({ code: 2, error: 'IDP_ADDRESS_NEEDED' });
    expect(await answer(idp, 'idp', '--http', '127.0.0.1:0')).toMatchObject({ code: 2, error: 'CLI_USAGE' });

    const port = await freePort();
    const signIn = join(idp, 'sign-in.toml');
    await mkdir(idp, { recursive: true });
    await writeFile(signIn, `origin = "http://127.0.0.1:${port}"\n`);
    const running = quorate(
      idp,
      ...['idp', '--charter', charter, '--listen', '/ip4/127.0.0.1/tcp/0'],
      ...['--http', `127.0.0.1:${port}`, '--sign-in', signIn],
    );
    const { http, id } = await running.event('listening');
    expect(http).toEqual([`http://127.0.0.1:${port}`]);
    expect(id).toBe((await answer(idp, 'idp', 'init')).line.key);
    const page = await fetch(`http://127.0.0.1:${port}/sign-in`);
    expect(page.status).toBe(200);
    expect((await running.stop()).code).toBe(0);
  });
});
