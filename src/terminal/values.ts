import { InvalidArgumentError } from 'commander';
import { type Tier, tiers } from '../../sandbox/types.ts';
import { parseHostPort } from '../http/addresses.ts';
import { isHostEntry } from '../protocol/base/host-entry.ts';
import { leastVersion } from '../protocol/base/least-version.ts';
import { nearestWord } from '../protocol/base/nearest-word.ts';
import { type NamedRecipe, parseRecipe } from '../protocol/base/recipe-name.ts';
import { type Bounds, type Unit, units } from '../protocol/base/units.ts';

// Commander shows these messages after "error: option '…' argument '…' is invalid."

/** Parses text that has this form. */
export const textOf =
  (form: RegExp, message: string) =>
  (text: string): string => {
    if (!form.test(text)) throw new InvalidArgumentError(message);
    return text;
  };

/** Parses an option that may be given several times. */
export const repeatable =
  <T>(parse: (text: string) => T) =>
  (text: string, before: T[] = []): T[] => [...before, parse(text)];

const distinct =
  <T>(parse: (text: string) => T) =>
  (text: string, before: T[] = []): T[] => [...new Set([...before, parse(text)])];

export const several = repeatable((text) => text);

/** Parses an amount: `--memory 4GiB`. */
export const amountOf =
  ({ form, parse, text }: Unit, { min = 0 }: Bounds = {}) =>
  (given: string): number => {
    const value = parse(given);
    if (value === undefined) throw new InvalidArgumentError(`Give ${form}.`);
    if (value < min) throw new InvalidArgumentError(`Give at least ${text(min)}.`);
    return value;
  };

/** `90s`, `20m`, `1h`, `7d` → seconds. */
export const secondsOf = amountOf(units.time);

/** Parses `none` for no limit. Commander does not accept null. */
export const orNone =
  (parse: (text: string) => number) =>
  (text: string): number | 'none' =>
    text === 'none' ? text : parse(text);

export function oneTier(text: string): Tier {
  const tier = tiers.find((one) => one === text);
  if (tier !== undefined) return tier;
  const meant = nearestWord(text, tiers);
  const near = meant === undefined ? '' : `Did you mean ${meant}? `;
  throw new InvalidArgumentError(`${near}There is: ${tiers.join(', ')}.`);
}

export const severalTiers = distinct(oneTier);

/** A host as workers know it: in lower case, without a dot at its end. */
export function hostEntry(text: string): string {
  if (!isHostEntry(text))
    throw new InvalidArgumentError(
      'Give a host, or host and port, such as git.example.org or 192.168.1.5:3000; no URL, and not "any".',
    );
  return text.toLowerCase().replace(/\.(?=:|$)/, '');
}

/** Source servers as in a charter: the host of a URL, with its port unless it is the default one. */
export const gitServers = distinct(hostEntry);

/** `REPO:PATH` or `REPO@COMMIT:PATH`. */
export function recipe(text: string): NamedRecipe {
  const named = parseRecipe(text);
  if (named === undefined)
    throw new InvalidArgumentError(
      'Give the URL of a repository, @ and a full commit id or neither, and a path: https://host/recipes.git:tool.yaml',
    );
  return named;
}

export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 1 on.');
  return Number(text);
}

export const wholeNumberFrom =
  (min: number, max: number) =>
  (text: string): number => {
    const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min && number <= max))
      throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
    return number;
  };

/** `127.0.0.1:8080`, `[::]:8080`, `ci.example.org:8080`. */
export function hostPort(text: string): { host: string; port: number } {
  const address = parseHostPort(text);
  const isPortWrong = address === undefined && parseHostPort(text.replace(/:\d+$/, ':0')) !== undefined;
  if (isPortWrong) throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  if (address === undefined) throw new InvalidArgumentError('Give host and port, such as 0.0.0.0:8080.');
  return address;
}

export const hostPortText = ({ host, port }: { host: string; port: number }): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

const isWebAddress = (text: string): boolean =>
  /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/.test(text) && text.length <= 300;

/** URLs of web servers, with an optional path of the feed. */
export const webAddresses = repeatable((text) => {
  if (!isWebAddress(text)) throw new InvalidArgumentError('Give a URL such as https://ci.example.org.');
  return text;
});

/** Names of projects and operators, as documents hold them. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const nameForm = 'Use letters, digits and . _ - only, at most 64, beginning with a letter or digit.';
export const nameOf = textOf(namePattern, nameForm);

/** `0.2.0`, or `none`, which is null. */
export function leastWorker(text: string): string | null {
  if (text !== 'none' && !leastVersion.test(text))
    throw new InvalidArgumentError('Give a version such as 0.2.0, or none.');
  return text === 'none' ? null : text;
}

/** Keys of witnesses as C2SP writes them: `name+keyid+base64`. */
export const witnessKeys = distinct(
  textOf(
    /^[^\s+]{1,128}\+[0-9a-f]{8}\+B[A-Za-z0-9+/]{43}$/,
    'Give the verifier key that the witness tells, such as witness.example.org+9f1c…+BEqM…',
  ),
);

/** `name=URL`; repeatable. */
export function witnessUrls(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const at = text.lastIndexOf('=http');
  const [name, url] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || !isWebAddress(url))
    throw new InvalidArgumentError(
      "Give the name in the witness's key and a URL: witness.example.org=https://witness.example.org",
    );
  return new Map([...before, [name, url]]);
}

export const addresses = repeatable(
  textOf(
    /^\/[a-z0-9]+\/\S+$/,
    'Give an address such as /ip4/192.0.2.1/tcp/4001; that of another peer ends with its key: /p2p/12D3KooW….',
  ),
);

export const peerId = textOf(
  /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/,
  'Give a key such as 12D3KooW…, as "quorate key" prints it.',
);
export const peerIds = repeatable(peerId);

/** Names of Debian packages, each with an optional version, separated by commas; repeatable. */
export function packages(text: string, before: string[] = []): string[] {
  const form = /^[a-z0-9][a-z0-9+.-]{0,100}(?::[a-z0-9]{1,20})?(?:=[A-Za-z0-9.+:~-]{1,100})?$/;
  const names = text.split(',');
  if (!names.every((name) => form.test(name)))
    throw new InvalidArgumentError('Give names of packages by commas, such as gcc,make.');
  return [...before, ...names];
}

/** One line for everybody, as signed documents and pages may hold it. */
export function reasonText(text: string): string {
  if (text.trim() === '' || text.length > 500 || /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(text))
    throw new InvalidArgumentError('Give one line of at most 500 characters.');
  return text;
}

export function logIndex(text: string): number {
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw new InvalidArgumentError('Give an index of the log: 0, 120.');
  return Number(text);
}
