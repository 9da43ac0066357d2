import * as dagJson from '@ipld/dag-json';
import { sha256 as sha256Bytes } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import type { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { fromUtf8, toUtf8 } from '../base/text.ts';
import { checkVersion, type DocumentKind } from './growth.ts';
import { documentLimits } from './limits.ts';
import { plainJson } from './plain-json.ts';

/**
 * Canonical JSON is DAG-JSON: keys sorted by bytes, no white space, integers only. Decoding and encoding gives the same bytes, and
 * the id of a document is the sha256 of its payload.
 */
export function encodeCanonical(value: unknown): Uint8Array {
  return toUtf8(canonicalText(value));
}

/** The same as text. */
export function canonicalText(value: unknown): string {
  return plainJson(value) ?? fromUtf8(dagJson.encode(value));
}

/** JSON before it is parsed. */
interface Survey {
  /** Of nesting. */
  depth: number;
  /** A string has a lone surrogate: canonical JSON writes nothing else with `\\ud`. */
  isHalf: boolean;
  /** It has more values than any document of its size: parsed they would take a hundred times its memory. */
  isDense: boolean;
}

export function survey(bytes: Uint8Array): Survey {
  let depth = 0;
  let max = 0;
  // One for each bracket that opens and each comma.
  let values = 0;
  let inString = false;
  let isHalf = false;
  for (let i = 0; ; i++) {
    const byte = bytes[i];
    if (byte === undefined) break;
    if (inString) {
      if (byte === 0x5c) {
        i++;
        if (bytes[i] === 0x75 && bytes[i + 1] === 0x64) isHalf = true;
      } else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x2c) values++;
    else if (byte === 0x7b || byte === 0x5b) {
      values++;
      max = Math.max(max, ++depth);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  const { jsonValuesOfAny, jsonBytesOfValue, jsonValuesMax } = documentLimits;
  const valuesMax = Math.min(jsonValuesMax, jsonValuesOfAny + bytes.length / jsonBytesOfValue);
  return { depth: max, isHalf, isDense: values > valuesMax };
}

/** Reads canonical JSON without links, bytes and fractions, several times as fast as DAG-JSON; undefined for all other bytes. */
function readPlain(bytes: Uint8Array): unknown {
  try {
    const text = fromUtf8(bytes);
    const value: unknown = JSON.parse(text);
    return plainJson(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Why bytes are no DAG-JSON, for a message. */
function flawOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'is empty';
  try {
    JSON.parse(fromUtf8(bytes));
    return 'is JSON with a key that is there twice';
  } catch {
    return 'is not JSON, or was cut off';
  }
}

/** Undefined for what is not canonical, such as numbers that only some JSON can hold (`1e999`). */
function readDagJson(bytes: Uint8Array, what: string): unknown {
  let value: unknown;
  try {
    // No schema takes what only DAG-JSON has: it would tell one fault from another, and take seconds for a large text.
    if (bytes.length > limits.documentBytesMax) return void JSON.parse(fromUtf8(bytes));
    value = dagJson.decode(bytes);
  } catch (cause) {
    throw new QuorateError('DOC_NOT_JSON', `${what} ${flawOf(bytes)}`, { cause });
  }
  try {
    return sameBytes(encodeCanonical(value), bytes) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Size, depth, syntax, duplicate keys, canonical form; then the schema. `what` names the text in errors. */
export function decodeCanonical<T>(
  bytes: Uint8Array,
  schema: z.ZodType<T>,
  what: string,
  bytesMax: number,
): T {
  return checkExact(readCanonical(bytes, what, bytesMax), schema, what);
}

/** As `decodeCanonical`, and checks the version of a document before its schema: `DOC_NEWER`. */
export function decodeDocument<T>(
  kind: DocumentKind,
  bytes: Uint8Array,
  schema: z.ZodType<T>,
  bytesMax: number,
): T {
  const value = readCanonical(bytes, kind, bytesMax);
  checkVersion(kind, value);
  return checkExact(value, schema, kind);
}

function readCanonical(bytes: Uint8Array, what: string, bytesMax: number): unknown {
  if (bytes.length > bytesMax)
    throw new QuorateError(
      'DOC_TOO_LARGE',
      `${what} has ${bytes.length} bytes; at most ${bytesMax} are read`,
    );
  const { depth, isHalf, isDense } = survey(bytes);
  if (depth > documentLimits.jsonDepthMax)
    throw new QuorateError('DOC_TOO_DEEP', `${what} is nested deeper than ${documentLimits.jsonDepthMax}`);
  if (isDense)
    throw new QuorateError('DOC_TOO_LARGE', `${what} has more values than a document of its size may have`);
  const value = readPlain(bytes) ?? readDagJson(bytes, what);
  // A lone surrogate has no UTF-8: all of them would hash alike.
  if (value === undefined || isHalf)
    throw new QuorateError('DOC_NOT_CANONICAL', `${what} is JSON, but not in canonical form (DAG-JSON)`);
  return value;
}

function checkExact<T>(value: unknown, schema: z.ZodType<T>, what: string): T {
  const checked = checkShape(value, schema, what);
  // A schema may drop a key it cannot keep (`__proto__`): what was signed must be what is read, to the byte.
  if (!sameValue(value, checked))
    throw new QuorateError('DOC_INVALID', `${what} is not valid: it holds a key that cannot be kept`);
  return checked;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // Of 8 MB in one turn: `every` takes nine times as long.
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Of two values made of JSON: whether they would be the same canonical text. Cheaper than to compare their ids. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(
      (key) =>
        Object.hasOwn(b, key) &&
        sameValue((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    )
  );
}

/** The message of a schema, shortened: it quotes the document, which may be large. */
export function reasonOf(message: string | undefined): string {
  if (message === undefined) return 'unknown reason';
  return message.length > 400 ? `${message.slice(0, 400)}…` : message;
}

/** zod makes an error for each fault: a text with one in each of its values would take seconds, and overflow the stack. */
export const upToFirstFault: z.core.ParseContextInternal<z.core.$ZodIssue> = { abortEarly: true };

/** The schema alone, for values that came from our own journal or a parsed parent document. */
function checkShape<T>(value: unknown, schema: z.ZodType<T>, what: string): T {
  const result = schema.safeParse(value, upToFirstFault);
  if (!result.success) {
    const issue = result.error.issues[0];
    const where =
      issue === undefined || issue.path.length === 0
        ? ''
        : ` at ${issue.path.map(String).join('.').slice(0, 200)}`;
    throw new QuorateError('DOC_INVALID', `${what} is not valid${where}: ${reasonOf(issue?.message)}`);
  }
  return result.data;
}

/** Lower-case hexadecimal. */
export function sha256Hex(bytes: Uint8Array): string {
  return bytesToHex(sha256Bytes(bytes));
}

/** The id of a document: sha256 of its canonical payload, in hexadecimal. */
export function idOf(payload: unknown): string {
  return sha256Hex(encodeCanonical(payload));
}

/** CIDv1 of a DAG-JSON block: a job's id. */
export function dagJsonCid(bytes: Uint8Array): string {
  return CID.createV1(dagJson.code, Digest.create(0x12, sha256Bytes(bytes))).toString();
}

/** The sha256 inside a CID, in hexadecimal: how in-toto subjects name a tree. */
export function cidDigestHex(cid: string): string {
  return bytesToHex(CID.parse(cid).multihash.digest);
}
