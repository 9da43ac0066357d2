// Messages of zod in forty languages, of which one is used. zod exports them as one object, which a bundler does not take apart.
// 360 KB of source text, which V8 keeps for as long as a process runs.

import { dirname } from 'node:path';

/** @type {import('esbuild').Plugin} */
export const oneLanguage = {
  name: 'one-language',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: dirname(path),
    }));
  },
};
