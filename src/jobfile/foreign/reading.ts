import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { jobFileLimits } from '../limits.ts';
import { checkJobFileSize } from '../parse.ts';
import { offsetOf, tooDeepAt, yamlFaults } from '../yaml-faults.ts';

/** Something of a file that `quorate.yaml` does not say. */
export interface Finding {
  line: number;
  /** The key, or a part of a command. */
  what: string;
  /** Why it is left out, and what to do. */
  says: string;
}

const whatCharsMax = 80;

/** A file of another system, with what is found in it that has no counterpart. */
export class ForeignFile {
  readonly path: string;
  readonly top: Value;
  readonly document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #found = new Map<string, Finding>();

  /** @throws {QuorateError} `JOBFILE_INVALID` where it is no YAML, or over the bounds of a job file */
  constructor(text: string, path: string) {
    this.path = path;
    checkJobFileSize(Buffer.byteLength(text), path);
    const deep = tooDeepAt(text);
    if (deep !== undefined)
      throw this.#invalid(
        text.slice(0, deep).split('\n').length,
        `at most ${jobFileLimits.nestingMax} lists and mappings are read within each other`,
      );
    const options = { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: false } as const;
    this.document = parseDocument(text, options);
    const [error] = this.document.errors;
    if (error !== undefined) throw this.#invalid(this.lineAt(error.pos[0]), error.message);
    const [fault] = yamlFaults(this.document);
    if (fault !== undefined) throw this.#invalid(this.lineAt(fault.offset), fault.message);
    this.top = new Value(this, this.document.contents, this.document.contents);
    if (!this.top.isMap) throw this.#invalid(1, 'expected keys with values');
  }

  #invalid(line: number, message: string): QuorateError {
    return new QuorateError('JOBFILE_INVALID', `${this.path}:${line}: ${escapeLine(message, 300)}`, {
      hint: 'Nothing was written. Mend the file, or start from the example: quorate init',
    });
  }

  /** Each finding once. */
  get findings(): Finding[] {
    return [...this.#found.values()];
  }

  lineAt(offset: number): number {
    return this.#lines.linePos(offset).line;
  }

  find(at: Value, what: string, says: string): Finding {
    const found = { line: at.line, what: escapeLine(what.trim(), whatCharsMax), says };
    // One place may be read for several jobs.
    const key = JSON.stringify(found);
    const before = this.#found.get(key);
    if (before !== undefined) return before;
    this.#found.set(key, found);
    return found;
  }
}

/** Deepest chain of merges (`<<`) of a mapping. */
const mergesMax = 10;

/** A value of the file, aliases resolved. What is missing is a value without a text, keys and items. */
export class Value {
  readonly file: ForeignFile;
  readonly #node: unknown;
  readonly #key: unknown;
  #entries: Map<string, Value> | undefined;

  constructor(file: ForeignFile, node: unknown, key: unknown) {
    this.file = file;
    this.#node = isAlias(node) ? node.resolve(file.document) : node;
    this.#key = key;
  }

  /** Of its key, where it has one. */
  get line(): number {
    return this.file.lineAt(offsetOf(this.#key ?? this.#node));
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  get isList(): boolean {
    return isSeq(this.#node);
  }

  get isThere(): boolean {
    return this.#node !== undefined && this.#node !== null;
  }

  /** A scalar as it is written, without its quotes; undefined of anything else, and of an empty one. */
  get text(): string | undefined {
    const node = this.#node;
    if (!isScalar(node) || node.value === null) return undefined;
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  /** The pairs of a mapping; those of mappings that it merges come first, and a later pair of a name counts. */
  entries(depth = 0): ReadonlyMap<string, Value> {
    if (depth > 0) return this.#read(depth);
    this.#entries ??= this.#read(0);
    return this.#entries;
  }

  #read(depth: number): Map<string, Value> {
    const found = new Map<string, Value>();
    if (!isMap(this.#node)) return found;
    for (const { key, value } of this.#node.items) {
      if (!isScalar(key) || key.value !== '<<' || depth >= mergesMax) continue;
      const merged = new Value(this.file, value, key);
      for (const one of merged.isList ? merged.items().toReversed() : [merged])
        for (const [name, inner] of one.entries(depth + 1)) found.set(name, inner);
    }
    for (const { key, value } of this.#node.items)
      if (isScalar(key) && key.value !== '<<') found.set(String(key.value), new Value(this.file, value, key));
    return found;
  }

  get(name: string): Value {
    return this.entries().get(name) ?? new Value(this.file, undefined, this.#key ?? this.#node);
  }

  /** The items of a list, lists within it flattened unless they have a tag (`!reference`); a scalar or mapping alone is a list of it. */
  items(): Value[] {
    if (!this.isThere) return [];
    if (!isSeq(this.#node) || this.#node.tag?.startsWith('!') === true) return [this];
    return this.#node.items.flatMap((item) => {
      const value = new Value(this.file, item, item);
      return value.isList ? value.items() : [value];
    });
  }

  texts(): string[] {
    return this.items().flatMap(({ text }) => text ?? []);
  }

  find(what: string, says: string): Finding {
    return this.file.find(this, what, says);
  }

  /** A finding about this key, if it is there. */
  findKey(key: string, says: string, what = key): Finding[] {
    const value = this.get(key);
    return value.isThere ? [value.find(what, says)] : [];
  }
}
