import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../examples/demo/free-port.ts';
import { git } from '../../e2e/support/git.ts';
import { command, Inside } from '../../e2e/support/inside.ts';
import { until } from '../../e2e/support/wait.ts';
import { folder } from '../../support/code-and-folder.ts';
import { startProvider, type TestProvider } from '../../support/oidc-provider.ts';
import { rules } from '../../support/sign-in.ts';
import { WebClient } from '../../support/web-client.ts';

/** `quorate … --json` in a folder, with a home there. */
function quorate(cwd: string, ...args: string[]): Inside {
  const node = new Inside(`quorate ${args[0]}`, command(args, { home: join(cwd, 'home'), cwd, json: true }));
  onTestFinished(async () => void (await node.stop()));
  return node;
}

async function answer(cwd: string, ...args: string[]): Promise<Record<string, unknown>> {
  const node = quorate(cwd, ...args);
  const { code } = await node.end();
  const line = node.lines.at(-1) ?? {};
  expect(code, `${args.join(' ')}: ${JSON.stringify(line)}`).toBe(0);
  return line;
}

/** Writes a sign-in.toml for a service at this provider. */
async function settingsIn(dir: string, origin: string, provider: TestProvider, more = ''): Promise<string> {
  await writeFile(join(dir, 'client-secret'), `${provider.clientSecret}\n`, { mode: 0o600 });
  const path = join(dir, 'sign-in.toml');
  await writeFile(
    path,
    `origin = "${origin}"
${more}
[provider]
issuer = "${provider.issuer}"
client-id = "${provider.clientId}"
client-secret-file = "client-secret"
scopes = ["profile", "email", "groups"]
${rules}`,
  );
  return path;
}

/** A project whose controller lets people sign in at a provider, and members with their key. */
async function project() {
  const repo = await folder();
  const origin = `http://127.0.0.1:${await freePort()}`;
  const provider = await startProvider({
    people: { ada: { name: 'Ada', groups: ['maintainers'] } },
    redirectUris: [`${origin}/sign-in/callback`],
  });
  onTestFinished(() => provider.close());
  await git(repo, 'init', '--quiet');
  await answer(repo, 'init', '--name', 'tools');
  const settings = await settingsIn(join(repo, '.quorate'), origin, provider);
  const controller = quorate(
    repo,
    ...['controller', '--listen', '/ip4/127.0.0.1/tcp/0', '--http', origin.replace('http://', '')],
    ...['--sign-in', settings],
  );
  await controller.event('listening');
  return { repo, origin, provider };
}

/** The person that the header of the project's page says is signed in. */
const header = async (browser: WebClient, origin: string): Promise<string> => {
  const { text } = await browser.ask(`${origin}/`);
  return /<a href="\/sign-(?:in|out)">([^<]*)<\/a>/.exec(text)?.[1] ?? text;
};

async function openLink(url: string, origin: string): Promise<WebClient> {
  const browser = new WebClient({});
  const code = new URL(url).searchParams.get('code') ?? '';
  await browser.ask(`${origin}/sign-in/link`, { form: { code }, from: origin });
  return browser;
}

describe('somebody who signs in', () => {
  it('with the key of the owner, or of a member until it is revoked, by quorate login --page', async () => {
    const { repo, origin } = await project();
    const owner = await openLink(String((await answer(repo, 'login', '--page', origin)).url), origin);
    expect(await header(owner, origin)).toBe('owner');
    const elsewhere = await folder();
    const { ticket } = await answer(repo, 'invite', 'bob', '--role', 'publisher');
    await answer(elsewhere, 'join', String(ticket));
    const bob = await openLink(
      String((await answer(elsewhere, 'login', '--page', `${origin}/x`)).url),
      origin,
    );
    expect(await header(bob, origin)).toBe('bob');
    await answer(repo, 'revoke', 'bob', '--as', 'operator', '--reason', 'left');
    await until('the end of the session', async () => (await header(bob, origin)) === 'Sign in');
    expect(await header(owner, origin)).toBe('owner');
  });

  it('in a terminal by a code has a token until the owner ends the sessions of that person', async () => {
    const { repo, origin, provider } = await project();
    const ada = new WebClient({}, 'ada');
    await ada.visit(`${origin}/sign-in/start`, origin);
    expect(await header(ada, origin)).toBe('Ada');
    const terminal = await folder();
    const login = quorate(terminal, 'login', '--issuer', origin);
    const { code, completeUrl } = await login.event('code');
    const { text } = await ada.ask(String(completeUrl));
    const csrf = /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';
    const form = { csrf, user_code: String(code) };
    await ada.ask(`${origin}/sign-in/device/confirm`, { form, from: origin });
    const person = `${provider.issuer}#ada`;
    expect(await login.event('signed-in')).toMatchObject({ origin, person, name: 'Ada', role: 'publisher' });
    const { token } = await answer(terminal, 'login', '--token', origin);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${origin}/sign-in/session`, { headers })).status).toBe(200);
    await answer(repo, 'idp', 'sessions', 'revoke', person);
    await until(
      'the end of the token',
      async () => (await fetch(`${origin}/sign-in/session`, { headers })).status === 401,
    );
    expect(await header(ada, origin)).toBe('Sign in');
  });

  it('at a service that asks the identity provider is out once that ends their sessions', async () => {
    const [idp, repo] = [await folder(), await folder()];
    const [here, there] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const provider = await startProvider({
      people: { ada: { name: 'Ada', groups: ['maintainers'] } },
      redirectUris: [`${there}/sign-in/callback`],
    });
    onTestFinished(() => provider.close());
    const { key } = await answer(idp, 'idp', 'init');
    await git(repo, 'init', '--quiet');
    await answer(repo, 'init', '--name', 'tools', '--idp', String(key));
    const atIdp = await settingsIn(idp, there, provider, `services = ["${here}"]`);
    const running = quorate(
      idp,
      ...['idp', '--charter', join(repo, '.quorate', 'charter.jws'), '--listen', '/ip4/127.0.0.1/tcp/0'],
      ...['--http', there.replace('http://', ''), '--sign-in', atIdp],
    );
    const { addresses } = await running.event('listening');
    const atController = join(repo, 'sign-in.toml');
    await writeFile(atController, `origin = "${here}"\n[idp]\nurl = "${there}"\n`);
    const controller = quorate(
      repo,
      ...['controller', '--idp', String((addresses as string[])[0]), '--listen', '/ip4/127.0.0.1/tcp/0'],
      ...['--http', here.replace('http://', ''), '--sign-in', atController],
    );
    await controller.event('listening');
    const ada = new WebClient({}, 'ada');
    await ada.visit(`${there}/sign-in/start`, there);
    await ada.visit(`${here}/sign-in/start`, here);
    expect(await header(ada, here)).toBe('Ada');
    await answer(idp, 'idp', 'sessions', 'revoke', `${provider.issuer}#ada`, '--file', atIdp);
    await until('the end of the session', async () => (await header(ada, here)) === 'Sign in');
  });
});
