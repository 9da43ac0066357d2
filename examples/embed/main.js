// Decides whether an artifact may be used, in a program of your own: node main.js BUNDLE PROJECT [REF]
// BUNDLE is a file that `quorate fetch --bundle-out` wrote, PROJECT the id that the project's owner published.
import { readFile } from 'node:fs/promises';
import { argv, exit, stdout } from 'node:process';
import { escapeLine, verify } from 'quorate';

const [file = '', project = '', ref] = argv.slice(2);
const verification = await verify(await readFile(file, 'utf8'), {
  project,
  ...(ref === undefined ? {} : { ref }),
});
for (const { ok, step, says } of verification.steps)
  stdout.write(`${ok ? 'ok' : 'NO'}  ${step}: ${escapeLine(says)}\n`);

const trusted = verification.level === 'trusted';
stdout.write(`${trusted ? `use ${verification.facts.artifact}` : 'do not use it'}\n`);
exit(trusted ? 0 : 1);
