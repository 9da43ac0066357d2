// Makes the page that verifies in a browser: one HTML file with its style and its script inside, and a policy that allows
// these two and nothing else. Plain JavaScript, as scripts/bundle.js which calls it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { notices } from './notices.js';
import { oneLanguage } from './one-language.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'src', 'http', 'verify-page');

const sha256 = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/** @returns {Promise<string>} the page; the same for the same sources and packages */
export async function makeVerifyPage() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(folder, 'browser', 'main.ts')],
    bundle: true,
    minify: true,
    platform: 'browser',
    target: ['es2022'],
    format: 'iife',
    charset: 'utf8',
    alias: { 'node:crypto': join(folder, 'browser', 'node-crypto.ts') },
    plugins: [oneLanguage],
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    write: false,
  });
  const read = (name) => readFileSync(join(folder, name), 'utf8');
  const [{ text: script }] = outputFiles;
  // The end of a script element within the script would end it.
  if (/<\/script|<!--/i.test(script))
    throw new Error('assertion failed: the script does not close its element');
  const style = `${read('../static/base.css')}${read('../static/bar.css')}${read('page.css')}`.trim();
  const policy = [
    "default-src 'none'",
    `script-src ${sha256(script)}`,
    `style-src ${sha256(style)}`,
    'img-src data:',
    // For revocations, from a server that a person names.
    "connect-src 'self' http: https:",
    "form-action 'none'",
    "base-uri 'none'",
  ].join('; ');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const parts = {
    policy,
    version,
    notices: escaped(notices(root, Object.keys(metafile.inputs))),
    style: `<style>${style}</style>`,
    script: `<script>${script}</script>`,
  };
  return read('page.html').replace(/(?:<!--)?\{\{(\w+)\}\}(?:-->)?/g, (_, name) => parts[name]);
}
