import { signInLimits } from './limits.ts';

const here = 'http://here.invalid';

/**
 * A path of this service to go to after signing in; `/` for everything that would lead elsewhere: another host, however it
 * is written (`//host`, `/\host`, `/.//host`), a scheme, control characters.
 */
export function returnPath(text: string | undefined): string {
  if (text === undefined || text.length > signInLimits.returnCharsMax) return '/';
  if (!/^\/[\x21-\x7e]*$/.test(text) || text.includes('\\') || !URL.canParse(text, here)) return '/';
  const { origin, pathname, search } = new URL(text, here);
  return origin === here && !pathname.startsWith('//') ? pathname + search : '/';
}
