import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exampleWatchFile } from '../../../src/watcher/node/example-file.ts';
import { parseWatchFile, readWatchFile } from '../../../src/watcher/node/watch-file.ts';

const parsed = (text: string) => parseWatchFile(text, '/home/watch.toml');
const head = '[repository]\nurl = "git://127.0.0.1/tool"\n';

describe('watch.toml', () => {
  it('of the example is right, with each key that is commented out too', () => {
    expect(parsed(exampleWatchFile).settings.rules).toMatchObject([
      { name: 'main', branches: ['main', 'release/*'], supersede: true },
    ]);
    const all = exampleWatchFile.replaceAll(/^# (?=\[|[a-z-]+ = )/gm, '');
    expect(parsed(all)).toMatchObject({
      pollMs: 60_000,
      checkpointAgeSeconds: 600,
      confined: true,
      forge: { kind: 'forgejo', project: 'owner/tool', tokenFile: '/home/forge.token' },
      listen: { host: '127.0.0.1', port: 8470 },
      settings: {
        link: 'https://ci.example.org/runs/{run}',
        pulls: { authors: ['alice'], label: 'quorate' },
        rules: [{ name: 'main' }, { name: 'nightly', cron: '0 3 * * *', rebuild: true }],
      },
    });
  });

  it('that is not there is refused with what makes one', async () => {
    const path = join(import.meta.dirname, 'absent.toml');
    await expect(readWatchFile(path)).rejects.toMatchObject({
      code: 'WATCH_FILE_UNREADABLE',
      message: expect.stringContaining(`cannot read ${path}: `),
      hint: expect.stringContaining('quorate watch example'),
    });
  });

  it('has requests name subject and author of the commit, unless it says otherwise', () => {
    const words = (line: string) => parsed(`${head}${line}\n`).settings.words;
    expect([words(''), words('subject = false')]).toEqual([{ subject: true }, { subject: false }]);
  });

  it('names sign-in.toml from its own folder', () => {
    const text = `${head}[http]\nlisten = "127.0.0.1:8470"\nsign-in = "sign-in.toml"\n`;
    expect(parsed(text).listen).toMatchObject({ signIn: '/home/sign-in.toml' });
  });

  it('has a time between two looks of a second to a day', () => {
    const poll = (time: string) => parsed(`${head}poll = "${time}"\n`).pollMs;
    expect([poll('1s'), poll('24h'), parsed(head).pollMs]).toEqual([1_000, 86_400_000, 60_000]);
    expect(() => poll('25h')).toThrow(/out of bounds/);
  });

  it('has as many bytes and rules as there may be', () => {
    const rules = (count: number) =>
      head + Array.from({ length: count }, (_, n) => `[[rule]]\nname = "r${n}"\ntags = ["*"]\n`).join('');
    expect(parsed(rules(200)).settings.rules).toHaveLength(200);
    expect(() => parsed(rules(201))).toThrow(/rule/);
    const filled = (bytes: number) => `${head}#${'x'.repeat(bytes - head.length - 1)}`;
    parsed(filled(256 * 1024));
    expect(() => parsed(filled(256 * 1024 + 1))).toThrow(':1: the file has over 256 KiB');
  });

  it.each([
    ['url = ', 'WATCH_FILE_INVALID', /^\/home\/watch\.toml:1:\d+: /],
    [
      `${head}[[rule]]\nname = "a"\nbranch = ["main"]\n`,
      'WATCH_FILE_INVALID',
      /^\/home\/watch\.toml:5: .*"branch"/,
    ],
    [`${head}[rules]\n`, 'WATCH_FILE_INVALID', /:3: there is no "rules"/],
    [`${head}poll = "0s"\n`, 'WATCH_FILE_INVALID', /:3: repository\.poll: /],
    ...['59s', '25h'].map((age): [string, string, RegExp] => [
      `${head}[status]\ncheckpoint-age = "${age}"\n`,
      'WATCH_FILE_INVALID',
      /:4: status\.checkpoint-age: .* out of bounds/,
    ]),
    [`${head}[[rule]]\nname = "a"\n`, 'WATCH_FILE_INVALID', /:3: rule: expected branches or tags/],
    [
      `${head}[[rule]]\nname = "a"\ntags = ["*"]\n[[rule]]\nname = "b"\ntags = ["*"]\ncron = "every day"\n`,
      'WATCH_FILE_INVALID',
      /:9: rule\.cron: expected cron/,
    ],
    [
      `${head}[[rule]]\nname = "a"\ntags = ["*"]\n[[rule]]\nname = "a"\ntags = ["*"]\n`,
      'WATCH_FILE_INVALID',
      /:7: rule\.name: another rule/,
    ],
    [`${head}[pull-requests]\n`, 'WATCH_FILE_INVALID', /:3: \[pull-requests\] needs a \[forge\]/],
    [`${head}[forge]\nkind = "cvs"\n`, 'WATCH_FILE_INVALID', /:4: forge\.kind: expected one of forgejo/],
    [
      `${head}[forge]\nkind = "github"\napi = "https://me:pass@host"\nproject = "a/b"\ntoken-file = "t"\n`,
      'WATCH_FILE_INVALID',
      /:5: forge\.api: expected a URL without a login/,
    ],
    [
      `${head}[forge]\nkind = "github"\napi = "http://host"\nproject = "a/b"\ntoken-file = "t"\n`,
      'WATCH_FILE_INVALID',
      /:5: forge\.api: expected https/,
    ],
    [
      `${head}[forge]\nkind = "github"\napi = "https://host"\nproject = "a/../b?"\ntoken-file = "t"\n`,
      'WATCH_FILE_INVALID',
      /:6: forge\.project: /,
    ],
    ...['gitlab', 'pagure'].map((kind): [string, string, RegExp] => [
      `${head}[forge]\nkind = "${kind}"\napi = "https://host"\nproject = "a/b"\ntoken-file = "t"\n[pull-requests]\nlabel = "ok"\n`,
      'WATCH_FILE_INVALID',
      /:9: pull-requests\.label: with (gitlab|pagure) no label approves/,
    ]),
    [
      `${head}[[rule]]\nname = "a"\nbranches = ["{main,next}"]\n`,
      'WATCH_FILE_INVALID',
      /:5: rule\.branches\.0: "{" has no meaning in a pattern/,
    ],
    [
      `${head}[[rule]]\nname = "a"\nbranches = ["@(main|next)"]\n`,
      'WATCH_FILE_INVALID',
      /:5: rule\.branches\.0: "@\(" has no meaning in a pattern/,
    ],
    ['', 'WATCH_FILE_INVALID', /:1: repository: /],
    // Of two rules the first one, and the second one.
    [
      `${head}[[rule]]\nname = "a"\n[[rule]]\nname = "b"\ntags = ["*"]\n`,
      'WATCH_FILE_INVALID',
      /:3: rule: expected branches or tags/,
    ],
    [
      `${head}[[rule]]\nname = "a"\ntags = ["*"]\n[[rule]]\nname = "b"\nbranch = ["*"]\n`,
      'WATCH_FILE_INVALID',
      /:8: there is no "branch" in \[rule\]/,
    ],
    [
      `${head}[forge]\nkind = "github"\napi = "https://["\nproject = "a/b"\ntoken-file = "t"\n`,
      'WATCH_FILE_INVALID',
      /:5: forge\.api: expected /,
    ],
  ])('%j is refused with the place', (text, code, message) => {
    expect(() => parsed(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it.each([
    [`${head}[rules]\n`, /^Did you mean "rule"\? There is: repository, /],
    [
      `${head}[[rule]]\nname = "a"\nbranch = ["main"]\n`,
      /^Did you mean "branches"\? There is: name, branches, /,
    ],
    [`${head}[http]\nlisten = "127.0.0.1:1"\nname = ["x"]\n`, /^Did you mean "names"\? There is: listen, /],
    [`${head}[zebra]\n`, /^There is: repository, /],
  ])('%j is refused with what there is', (text, hint) => {
    expect(() => parsed(text)).toThrow(expect.objectContaining({ hint: expect.stringMatching(hint) }));
  });
});
