import { QuorateError } from '../../../protocol/base/errors.ts';

/** An image of a registry, as it is written: `HOST[:PORT]/NAME[:TAG][@DIGEST]`. */
export interface ImageReference {
  host: string;
  name: string;
  tag?: string;
  digest?: string;
}

const textMax = 1000;
const host = /^(?:localhost|\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/i;
/** As the distribution specification has them. */
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const named = new RegExp(`^(${component}(?:/${component})*)(?::([a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}))?$`);
const digests = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** @throws IMAGE_REFERENCE_INVALID */
export function parseReference(text: string): ImageReference {
  const slash = text.indexOf('/');
  const at = text.indexOf('@');
  const end = at === -1 ? text.length : at;
  const server = text.slice(0, Math.max(0, slash));
  if (text.includes('://')) throw invalid(text, 'it begins with a scheme, which is left out here');
  if (text.length > textMax || !isHost(server))
    throw invalid(text, 'it begins with no name of a registry, with a dot or a port in it');
  const [, name = '', tag] = named.exec(text.slice(slash + 1, end)) ?? [];
  if (name === '' || name.length > 255)
    throw invalid(text, 'names of images are of small letters and digits, with . _ - and / between them');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !digests.test(digest)) throw invalid(text, 'its digest is not sha256:…');
  return { host: server, name, ...(tag && { tag }), ...(digest && { digest }) };
}

/** The first part alone could be a part of a name: no registry is assumed where none is named. */
const isHost = (text: string): boolean =>
  host.test(text) && (/[.:]/.test(text) || text === 'localhost') && URL.canParse(`https://${text}`);

const invalid = (text: string, why: string): QuorateError =>
  new QuorateError(
    'IMAGE_REFERENCE_INVALID',
    `${JSON.stringify(text.slice(0, 200))} names no image: ${why}`,
    { hint: 'Give it as HOST/NAME@sha256:…, such as registry.example/tools/gcc@sha256:…' },
  );

export const referenceText = ({ host: server, name, tag, digest }: ImageReference): string =>
  `${server}/${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
