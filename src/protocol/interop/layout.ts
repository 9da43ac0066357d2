import type { Signer } from '../documents/index.ts';
import { inTotoKeyOf, signedEnvelope, stepNames } from './link.ts';

/** Where the layout looks for the artifact's files, below the folder in-toto is run in. */
export const productFolder = 'product';

/** in-toto-spec v1.0 §4.3.3. */
type Rule = string[];

interface LayoutParts {
  /** PeerIds of the workers that count, one of each operator. */
  builders: readonly string[];
  /** How many of them must have made the same. */
  agree: number;
  /** PeerIds of the trusted workers that signed the verdict; none where the policy asks for none. */
  trusted: readonly string[];
  /** How many of these must have made the same. */
  signers: number;
  /** Paths of the artifact's files. */
  files: readonly string[];
  readme: string;
}

/** A layout states one verdict, which does not get old; in-toto wants a date. */
const never = '9999-12-31T23:59:59Z';

/**
 * Keys for each step, and how many have to sign it (in-toto-spec v1.0 §4.3):
 * N of these keys and a trusted worker made the same files from the same source; the files at hand are exactly these.
 */
export function makeLayout({ builders, agree, trusted, signers, files, readme }: LayoutParts) {
  const all = [...builders, ...trusted].map(inTotoKeyOf);
  const step = (name: string, keys: readonly string[], threshold: number, products: Rule[]) => ({
    _type: 'step',
    name,
    expected_command: [],
    expected_materials: [
      ['ALLOW', 'source'],
      ['ALLOW', 'job'],
      ['DISALLOW', '*'],
    ],
    expected_products: products,
    pubkeys: keys.map((key) => inTotoKeyOf(key).keyid),
    threshold,
  });
  const like = (within: string[]): Rule => [
    ...['MATCH', '*', ...within, 'WITH', 'PRODUCTS', 'FROM', stepNames.build],
  ];
  return {
    _type: 'layout',
    expires: never,
    inspect: [
      {
        _type: 'inspection',
        name: 'files',
        run: ['true'],
        expected_materials: [],
        expected_products: [
          ...files.map((path): Rule => ['REQUIRE', `${productFolder}/${path}`]),
          like(['IN', productFolder]),
          ['DISALLOW', `${productFolder}/*`],
        ],
      },
    ],
    keys: Object.fromEntries(all.map((key) => [key.keyid, key])),
    readme,
    steps: [
      step(stepNames.build, builders, agree, [['ALLOW', '*']]),
      ...(trusted.length === 0
        ? []
        : [step(stepNames.trusted, trusted, signers, [like([]), ['DISALLOW', '*']])]),
    ],
  };
}

/** The layout as a DSSE envelope. Whoever signs it says: these are the keys I was shown to be the project's. */
export const signLayout = (layout: ReturnType<typeof makeLayout>, signer: Signer): Promise<string> =>
  signedEnvelope(layout, signer, inTotoKeyOf(signer.id).keyid);
