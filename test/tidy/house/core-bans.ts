import { builtinModules } from 'node:module';
import { type Finding, importsOf, isCode, lineAt, membersOf, type Source, variablesOf } from './source.ts';

/** Names that would make two runs differ, or reach outside, and what to use instead. */
const bannedNames = new Map([
  ...['Date', 'performance'].map((name): [string, string] => [name, 'time is an argument: `now`']),
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'clearTimeout', 'clearInterval'].map(
    (name): [string, string] => [name, 'timers are data: return an effect'],
  ),
  ...['process', 'Buffer', 'require', 'globalThis', 'global', 'window'].map((name): [string, string] => [
    name,
    'the core runs anywhere, from its arguments alone',
  ]),
  ...['crypto', 'fetch', 'WebSocket', 'XMLHttpRequest'].map((name): [string, string] => [
    name,
    'what reaches outside goes through a port',
  ]),
  ...['eval', 'Function', 'WeakRef', 'FinalizationRegistry', 'Intl'].map((name): [string, string] => [
    name,
    'behaves differently from run to run or machine to machine',
  ]),
]);
const bannedMembers = new Map([
  ['Math.random', 'randomness is an argument'],
  ['import.meta', 'the core does not know where it lies'],
]);
const localeMethods = ['localeCompare', 'toLocaleString', 'toLocaleLowerCase', 'toLocaleUpperCase'];

/** Converts times that it is given: `Date` of an argument, no clock. */
const conversion = 'src/protocol/base/time.ts';
const converts = /^Date(?:\.parse)?\((?!\))/;

const pure = /^src\/(protocol|[a-z-]+\/(machine|sessions))\//;

/** No clock, no randomness, no I/O in what is pure: types alone let `Date.now()` and `Math.random()` through. */
export function coreBans(source: Source): Finding[] {
  if (!pure.test(source.path) || !isCode(source.path)) return [];
  const found: { offset: number; message: string }[] = [];
  for (const { name, offset } of variablesOf(source)) {
    const instead = bannedNames.get(name);
    if (source.path === conversion && converts.test(source.text.slice(offset))) continue;
    if (instead !== undefined) found.push({ offset, message: `${name} is banned here: ${instead}` });
  }
  for (const { object, property, offset } of membersOf(source)) {
    const instead = bannedMembers.get(`${object}.${property}`);
    if (instead !== undefined)
      found.push({ offset, message: `${object}.${property} is banned here: ${instead}` });
    if (localeMethods.includes(property)) {
      found.push({ offset, message: `${property} depends on the machine's language: compare code units` });
    }
  }
  for (const { specifier, dynamic, offset } of importsOf(source)) {
    const [top = ''] = specifier.split('/');
    if (dynamic) found.push({ offset, message: 'dynamic import is banned here: import at the top' });
    else if (specifier.startsWith('node:') || builtinModules.includes(top)) {
      found.push({ offset, message: `${specifier} is banned here: the core does no I/O` });
    }
  }
  return found.map(({ offset, message }) => ({
    rule: 'core-bans',
    path: source.path,
    line: lineAt(source.text, offset),
    message,
  }));
}
