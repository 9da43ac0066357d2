import { openToolSandbox, type ToolSandbox } from '../../../sandbox/index.ts';
import type { Bandwidth } from '../../core/bandwidth.ts';
import { codeOf, QuorateError, reportedError } from '../../core/errors.ts';
import {
  type Egress,
  isLiteralAddress,
  meteredConnect,
  openEgressProxy,
  type Resolve,
  targetsOf,
} from '../../egress/index.ts';
import type { GitOptions, GitUrl } from '../../source/index.ts';
import { buildLimits } from './limits.ts';
import { fetchableUrl } from './source-url.ts';

export interface ConfinedOptions {
  url: string;
  /** The charter's version control servers. */
  vcs: readonly string[];
  /** The folder of the sandbox's notes. */
  stateDir: string;
  /** An existing, private and empty folder; the caller removes it. */
  scratch: string;
  /** Of the job, which is not built meanwhile: git gets as much, and enough to work with. */
  cpus: number;
  memoryBytes: number;
  /** Of the source; what may be received is a little more. */
  bytesMax: number;
  /** What git may use of the network, together with the rest of the worker. */
  bandwidth?: Bandwidth;
  /** Lines for the build's log. */
  say(text: string): void;
  /** Stand-ins for the attack tests. */
  resolve?: Resolve;
  guards?: Parameters<typeof openToolSandbox>[0]['guards'];
}

/** Git in a sandbox whose only way out leads to the server of one source. */
export interface ConfinedGit {
  /** For git to work in. */
  readonly dir: string;
  readonly wrap: NonNullable<GitOptions['wrap']>;
  readonly egress: Egress;
  /** What git could not know of its own failure. */
  explain(error: unknown): unknown;
  close(): Promise<void>;
}

/** Errors: `SOURCE_URL_…`, `SOURCE_PROTOCOL_REFUSED`, `SANDBOX_…`, `EGRESS_UNAVAILABLE`. */
export async function openConfinedGit(options: ConfinedOptions): Promise<ConfinedGit> {
  const { vcs, stateDir, scratch, cpus, memoryBytes, say } = options;
  const url = fetchableUrl(options.url);
  const tool = openToolSandbox({
    ...{
      stateDir,
      scratch,
      limits: { cpus, memoryBytes: Math.max(memoryBytes, buildLimits.gitMemoryBytesMin) },
    },
    ...(options.guards !== undefined && { guards: options.guards }),
  });
  try {
    const egress = await openEgressProxy({
      dir: tool.net,
      targets: [{ host: url.host, port: url.port }],
      privateTargets: vcs.flatMap((entry) => targetsOf(entry, [url.usualPort])).filter(isLiteralAddress),
      receivedBytesMax: options.bytesMax + buildLimits.egressOverheadBytes,
      resolve: options.resolve,
      ...(options.bandwidth !== undefined && { connect: meteredConnect(options.bandwidth) }),
      onRefusal: ({ code, message }) => say(`${code}: ${message}`),
    });
    return confined(tool, egress, url);
  } catch (error) {
    await tool.close();
    throw error;
  }
}

function confined(tool: ToolSandbox, egress: Egress, { protocol }: GitUrl): ConfinedGit {
  const way = protocol === 'git' ? 'command' : 'loopback';
  return {
    dir: tool.dir,
    egress,
    wrap: (command, reach) => tool.wrap(command, reach === 'server' ? way : 'nothing'),
    explain: (error) => {
      if (!/^SOURCE_(?!TIMEOUT|TOO_LARGE|COMMIT_)/.test(codeOf(error))) return error;
      if (tool.outOfMemory()) {
        return new QuorateError(
          'SOURCE_TOO_LARGE',
          'git needed more memory than it may have for this source',
          {
            hint: 'Make the repository smaller: one file of its history may be very large.',
            cause: error,
          },
        );
      }
      const [refusal] = egress.refusals;
      if (refusal === undefined) return error;
      const { message, hint } = refusal;
      const code = refusal.code === 'EGRESS_UNREACHABLE' ? 'SOURCE_UNREACHABLE' : refusal.code;
      return reportedError(code, message, { cause: error, ...(hint !== undefined && { hint }) });
    },
    close: async () => {
      await Promise.all([egress.close(), tool.close()]);
    },
  };
}
