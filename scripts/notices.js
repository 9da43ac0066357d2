import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The licences of packages of which files went into a program.
 * @param {string} root of the checkout
 * @param {string[]} files seen from the root
 */
export function notices(root, files) {
  const folders = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  const said = new Map();
  for (const folder of [...new Set(folders)].sort()) {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const texts = readdirSync(join(root, folder))
      .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
      .map((file) => readFileSync(join(root, folder, file), 'utf8').trim());
    const text = texts.length > 0 ? texts.join('\n\n') : `Licence: ${license}`;
    said.set(text, [...(said.get(text) ?? []), `${name} ${version}`]);
  }
  const sections = [...said].map(([text, names]) => `${[...new Set(names)].join('\n')}\n\n${text}\n`);
  return ['These programs contain the following packages.\n', ...sections].join(`\n${'-'.repeat(80)}\n\n`);
}
