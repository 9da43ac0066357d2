import { z } from 'zod';
import {
  type Agent,
  type GetOptions,
  type Got,
  get,
  getBytes,
  NoAnswer,
  shown,
} from '../../../dependencies/index.ts';
import { isLoopback } from '../../../egress/addresses.ts';
import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import { pullLimits } from '../limits.ts';
import type { Credential } from './credentials.ts';
import { type ImageReference, referenceText } from './reference.ts';

/** A registry's demand for credentials (RFC 6750, RFC 7617). */
type Challenge = { scheme: 'basic' } | { scheme: 'bearer'; realm: URL; service?: string; scope?: string };

const textMax = 8 * 1024;

/** Reads `www-authenticate`; undefined for what is not understood. */
export function parseChallenge(text: string): Challenge | undefined {
  if (text.length > textMax) return undefined;
  const [, scheme = ''] = /^\s*([A-Za-z]+)(?:\s|$)/.exec(text) ?? [];
  if (scheme.toLowerCase() === 'basic') return { scheme: 'basic' };
  if (scheme.toLowerCase() !== 'bearer') return undefined;
  const values = new Map<string, string>();
  for (const [, key = '', quoted, plain] of text.matchAll(/([A-Za-z]+)=(?:"([^"]*)"|([^\s",]+))/g))
    if (!values.has(key.toLowerCase())) values.set(key.toLowerCase(), quoted ?? plain ?? '');
  const realm = URL.parse(values.get('realm') ?? '');
  if (realm === null || !['http:', 'https:'].includes(realm.protocol)) return undefined;
  if (realm.username + realm.password !== '') return undefined;
  const [service, scope] = [values.get('service'), values.get('scope')];
  return { scheme: 'bearer', realm, ...(service && { service }), ...(scope && { scope }) };
}

/** A token as it may stand in a header. */
const token = z
  .string()
  .max(64 * 1024)
  .regex(/^[A-Za-z0-9._~+/=-]+$/);
const answer = z.union([z.looseObject({ token }), z.looseObject({ access_token: token })]);

/** The token of a token server's answer (distribution specification); undefined where it holds none. */
export function decodeToken(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = answer.safeParse(value);
  if (data === undefined) return undefined;
  return 'token' in data ? (data.token as string) : data.access_token;
}

export interface RegistryOptions {
  agent: Agent;
  credential: Credential | undefined;
  /** Whether a registry that is not on this host may be asked without TLS. */
  plainHttp: boolean;
  signal: AbortSignal;
}

/** One image's name at a registry (OCI distribution specification 1.1). Reads only. */
export class Registry {
  readonly #reference: ImageReference;
  readonly #options: RegistryOptions;
  readonly #base: string;
  /** Of the answer to the registry's challenge. */
  #authorization: string | undefined;

  constructor(reference: ImageReference, options: RegistryOptions) {
    const { host, name } = reference;
    this.#reference = reference;
    this.#options = options;
    const scheme = options.plainHttp || isHere(reference) ? 'http' : 'https';
    this.#base = `${scheme}://${host}/v2/${name}`;
    options.agent.name(this.#base);
  }

  /** GETs from byte `from` on where the registry can. Answers one challenge. @throws `NoAnswer`, IMAGE_PULL_DENIED */
  async get(
    path: string,
    of: Pick<GetOptions, 'accept' | 'from' | 'bytesMax' | 'isSize' | 'signal'>,
  ): Promise<Got> {
    const ask = (authorization: string | undefined): Promise<Got> =>
      get(
        { url: `${this.#base}/${path}`, ...(authorization && { authorization }) },
        { agent: this.#options.agent, ...of, mayVisit: (url) => this.#isSafe(url) },
      );
    try {
      return await ask(this.#authorization);
    } catch (error) {
      if (!(error instanceof NoAnswer) || error.status !== 401 || error.challenge === undefined) throw error;
      this.#authorization = await this.#answer(parseChallenge(error.challenge), of.signal);
      return await ask(this.#authorization).catch((again: unknown) => {
        throw again instanceof NoAnswer && isRefusal(again) ? this.#denied(again) : again;
      });
    }
  }

  /** https, or a host that the operator allowed. */
  #isSafe(url: URL): boolean {
    if (url.protocol === 'https:') return true;
    return this.#base.startsWith('http:') && (this.#options.plainHttp || isOnThisHost(url));
  }

  async #answer(challenge: Challenge | undefined, signal: AbortSignal): Promise<string> {
    const { credential, agent } = this.#options;
    if (challenge === undefined) throw this.#denied('it wants to know who asks in a way that is not known');
    if (challenge.scheme === 'basic') {
      if (credential === undefined) throw this.#denied('it wants a user name and a password');
      return credential.authorization;
    }
    const { realm, service, scope = `repository:${this.#reference.name}:pull` } = challenge;
    if (!this.#isSafe(realm))
      throw this.#denied(`its token server ${shown(realm.href)} is asked by https only`);
    if (service !== undefined) realm.searchParams.set('service', service);
    realm.searchParams.set('scope', scope);
    const mayVisit = (url: URL): boolean => this.#isSafe(url);
    const address = { url: realm.href, ...(credential && { authorization: credential.authorization }) };
    try {
      const bytesMax = pullLimits.tokenBytesMax;
      const text = await getBytes(address, { agent, signal, mayVisit, bytesMax, accept: 'application/json' });
      const token = decodeToken(String(text));
      if (token === undefined)
        throw new NoAnswer(`${shown(realm.href)} answers with no token`, { status: 200 });
      return `Bearer ${token}`;
    } catch (error) {
      throw error instanceof NoAnswer && isRefusal(error) ? this.#denied(error) : error;
    }
  }

  #denied(why: unknown): QuorateError {
    const { credential } = this.#options;
    const whom = credential === undefined ? 'everybody' : `the user in ${credential.file}`;
    const says = `the registry does not give ${referenceText(this.#reference)} to ${whom}`;
    const hint = `Log in: skopeo login ${this.#reference.host}, or docker login; helper programs for credentials are not run.`;
    const reason = typeof why === 'string' ? why : messageOf(why);
    return new QuorateError('IMAGE_PULL_DENIED', `${says}: ${reason}`, { hint, cause: why });
  }
}

const isRefusal = ({ status }: NoAnswer): boolean => status === 401 || status === 403;

export const isHere = ({ host }: ImageReference): boolean => isOnThisHost(new URL(`https://${host}`));

function isOnThisHost({ hostname }: URL): boolean {
  const address = hostname.replace(/^\[|\]$/g, '');
  return hostname === 'localhost' || (/^[\d.]+$|:/.test(address) && isLoopback(address));
}
