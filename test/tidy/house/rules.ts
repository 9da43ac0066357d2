import { arrows } from './arrows.ts';
import { coreBans } from './core-bans.ts';
import { cycles } from './cycles.ts';
import { errorCodes } from './error-codes.ts';
import { deadFiles, deadLinks } from './graph-rules.ts';
import { limits } from './limits.ts';
import { processUse } from './process-use.ts';
import { protocolCode } from './protocol-code.ts';
import type { Finding, Source } from './source.ts';
import {
  comments,
  dynamicImports,
  fileNames,
  leftovers,
  length,
  machinePaths,
  packing,
  registries,
  titles,
} from './text-rules.ts';

/** Each rule looks at all files of the house. */
export type Rule = (sources: readonly Source[]) => Finding[];

const each =
  (rule: (source: Source) => Finding[]): Rule =>
  (sources) =>
    sources.flatMap(rule);

export const rules: Record<string, Rule> = {
  arrows: each(arrows),
  cycles,
  'protocol-code': protocolCode,
  'core-bans': each(coreBans),
  'process-use': each(processUse),
  'dynamic-imports': each(dynamicImports),
  leftovers: each(leftovers),
  comments: each(comments),
  titles: each(titles),
  packing: each(packing),
  length: each(length),
  'file-names': each(fileNames),
  'machine-paths': each(machinePaths),
  registries: each(registries),
  'dead-files': deadFiles,
  'dead-links': deadLinks,
  'error-codes': errorCodes,
  limits,
};
