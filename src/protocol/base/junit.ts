/** Results of tests as most tools write them: JUnit's XML. */
export interface TestResults {
  total: number;
  /** Failures and errors. */
  failed: number;
  skipped: number;
  /** Sum of the times that cases state, in ms. */
  ms: number;
  /** The first cases that failed, with the texts of the file, each cut. */
  failures: { suite: string; name: string; says: string }[];
}

/** Cases that are named; more are counted. */
const failuresMax = 50;
/** Characters of the names of a case, and of why it failed. */
const nameChars = 200;
const saysChars = 400;

export const noResults = (): TestResults => ({ total: 0, failed: 0, skipped: 0, ms: 0, failures: [] });

export function addResults(to: TestResults, more: TestResults): void {
  to.total += more.total;
  to.failed += more.failed;
  to.skipped += more.skipped;
  to.ms += more.ms;
  to.failures.push(...more.failures.slice(0, failuresMax - to.failures.length));
}

interface Case {
  suite: string;
  name: string;
  outcome: 'passed' | 'failed' | 'skipped';
  says: string;
}

/**
 * Reads elements and attributes, in one pass, and nothing that a document type declares. Undefined where the text is no JUnit: it is
 * written by whoever builds, so any text is expected.
 */
export function readJunit(text: string): TestResults | undefined {
  const results = noResults();
  const suites: string[] = [];
  let known = false;
  let current: Case | undefined;
  /** Within an element that says why a case failed. */
  let telling = false;
  const finish = (): void => {
    if (current === undefined) return;
    const { suite, name, outcome, says } = current;
    results.total++;
    if (outcome === 'skipped') results.skipped++;
    if (outcome === 'failed') {
      results.failed++;
      if (results.failures.length < failuresMax) results.failures.push({ suite, name, says: says.trim() });
    }
    current = undefined;
    telling = false;
  };
  const tell = (words: string): void => {
    if (telling && current !== undefined && current.says.length < saysChars)
      current.says = (current.says + words.slice(0, saysChars)).trimStart().slice(0, saysChars);
  };
  for (const token of tokensOf(text)) {
    if (token.kind === 'text') {
      tell(token.text);
      continue;
    }
    const { name, kind, attributes } = token;
    if (kind === 'close') {
      if (name === 'testcase') finish();
      else if (name === 'testsuite') suites.pop();
      else if (name === 'failure' || name === 'error') telling = false;
      continue;
    }
    switch (name) {
      case 'testsuites':
      case 'testsuite':
        known = true;
        if (name === 'testsuite' && kind === 'open' && suites.length < 100) suites.push(attributes('name'));
        break;
      case 'testcase': {
        finish();
        const seconds = Number(attributes('time'));
        if (Number.isFinite(seconds) && seconds > 0) results.ms += Math.min(seconds, 1e6) * 1000;
        const suite = attributes('classname') || (suites.at(-1) ?? '');
        current = { suite, name: attributes('name'), outcome: 'passed', says: '' };
        if (kind === 'empty') finish();
        break;
      }
      case 'failure':
      case 'error':
        if (current === undefined || current.outcome === 'failed') break;
        current.outcome = 'failed';
        current.says = attributes('message') || attributes('type');
        telling = kind === 'open' && current.says === '';
        break;
      case 'skipped':
        if (current?.outcome === 'passed') current.outcome = 'skipped';
    }
  }
  finish();
  results.ms = Math.round(results.ms);
  return known ? results : undefined;
}

type Token =
  | { kind: 'text'; text: string }
  | { kind: 'open' | 'close' | 'empty'; name: string; attributes: (name: string) => string };

/** Parts of an XML text that begin with these hold no element. */
const passedOver = [
  ['<!--', '-->'],
  ['<?', '?>'],
  ['<!', '>'],
] as const;

function* tokensOf(text: string): Generator<Token> {
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('<', at);
    const end = next === -1 ? text.length : next;
    if (end > at) yield { kind: 'text', text: plain(text.slice(at, Math.min(end, at + 4 * saysChars))) };
    if (next === -1) return;
    if (text.startsWith('<![CDATA[', next)) {
      const close = indexAfter(text, ']]>', next + 9);
      yield { kind: 'text', text: text.slice(next + 9, Math.min(close - 3, next + 9 + saysChars)) };
      at = close;
      continue;
    }
    const other = passedOver.find(([open]) => text.startsWith(open, next));
    if (other !== undefined) {
      at = indexAfter(text, other[1], next + other[0].length);
      continue;
    }
    const close = tagEnd(text, next + 1);
    yield* tagIn(text.slice(next + 1, close));
    at = close + 1;
  }
}

function indexAfter(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found === -1 ? text.length : found + what.length;
}

/** Where the `>` of a tag is: one in quotes is of an attribute. */
function tagEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '>') return at;
    if (char !== '"' && char !== "'") continue;
    const close = text.indexOf(char, at + 1);
    if (close === -1) return text.length;
    at = close;
  }
  return text.length;
}

function* tagIn(tag: string): Generator<Token> {
  const [, slash = '', name = ''] = /^(\/?)([A-Za-z][\w.-]{0,60})/.exec(tag) ?? [];
  if (name === '') return;
  const kind = slash === '/' ? 'close' : tag.endsWith('/') ? 'empty' : 'open';
  yield { kind, name, attributes: (wanted) => attributeOf(tag, wanted) };
}

const attributePattern = /\s([\w:.-]{1,60})\s{0,20}=\s{0,20}(?:"([^"]*)"|'([^']*)')/g;

function attributeOf(tag: string, wanted: string): string {
  for (const [, name, double, single] of tag.matchAll(attributePattern))
    if (name === wanted) {
      const max = wanted === 'message' || wanted === 'type' ? saysChars : nameChars;
      return plain((double ?? single ?? '').slice(0, 4 * max)).slice(0, max);
    }
  return '';
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** With its references to characters resolved; others stay as they are. */
const plain = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{2,4}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return Object.hasOwn(entities, name) ? (entities[name] ?? whole) : whole;
    const code = Number.parseInt(decimal ?? hex, decimal === undefined ? 16 : 10);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
