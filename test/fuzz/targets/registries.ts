import { NoAnswer } from '../../../src/dependencies/fetch/get.ts';
import { decodeCrateIndex, decodeFileList } from '../../../src/dependencies/fetch/registries.ts';
import { decodeToken, parseChallenge } from '../../../src/execution/images/pull/registry.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { mutatedText } from '../arbitraries.ts';
import { type AnyTarget, define, must } from '../target.ts';

const where = 'https://packages.example/simple/thing/';

/** As the fetcher says it of a registry that answers with something else. */
function accepted(decode: () => string[]): string[] {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new QuorateError('DEPENDENCIES_FETCH_FAILED', error.message);
  }
}

const target = (name: string, seeds: readonly string[], addresses: (text: string) => string[]): AnyTarget =>
  define<string>({
    name,
    seeds: async () => seeds,
    arbitrary: (all) =>
      mutatedText(all, ['file:///etc/passwd', '{crate}', '__proto__', '//packages.example']),
    run: (text) => {
      for (const url of accepted(() => addresses(text)))
        must(/^https?:/.test(url), 'an address that is not of the web');
    },
  });

export const targets: AnyTarget[] = [
  target('crate-index', ['{"dl":"https://packages.example/{crate}/{version}.crate"}'], (text) => [
    decodeCrateIndex(text, where),
  ]),
  target(
    'file-list',
    [`{"files":[{"filename":"a-1.whl","url":"../../a-1.whl","hashes":{"sha256":"${'12'.repeat(32)}"}}]}`],
    (text) => decodeFileList(text, where).map(({ url }) => url),
  ),
  define<string>({
    name: 'registry-challenge',
    seeds: async () => [
      'Basic realm="x"',
      'Bearer realm="https://registry.example/token",service="registry",scope="repository:a/b:pull"',
    ],
    arbitrary: (all) =>
      mutatedText(all, ['realm=', '"', ',', 'file:///etc/passwd', 'http://a:b@c/', 'Bearer ']),
    run: (text) => {
      const found = parseChallenge(text);
      if (found?.scheme !== 'bearer') return;
      must(/^https?:/.test(found.realm.href), 'an address that is not of the web');
      must(!found.realm.href.includes('@') || found.realm.username === '', 'an address with a password');
    },
  }),
  define<string>({
    name: 'registry-token',
    seeds: async () => ['{"token":"abc.def"}', '{"access_token":"abc","expires_in":300}'],
    arbitrary: (all) => mutatedText(all, ['\r\n', '__proto__', 'null', '[]', '"token":']),
    run: (text) => {
      const token = decodeToken(text);
      must(token === undefined || /^[\x21-\x7e]+$/.test(token), 'a token that may not stand in a header');
    },
  }),
];
