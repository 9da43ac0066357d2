import type { Duplex } from 'node:stream';
import { openToolSandbox, removeLeftovers, type ToolOptions, type ToolSandbox } from '../../sandbox/index.ts';
import {
  type Egress,
  type HostGate,
  isLiteralAddress,
  meteredConnect,
  openEgressProxy,
  type Resolve,
  targetsOf,
} from '../egress/index.ts';
import type { Bandwidth } from '../protocol/base/bandwidth.ts';
import { codeOf, QuorateError, reportedError } from '../protocol/base/errors.ts';
import { type CommitOptions, type GitOptions, type GitUrl, WaitingGit } from '../source/index.ts';
import { buildLimits } from './limits.ts';
import { fetchableUrl } from './source-url.ts';

export interface ConfinedOptions extends Omit<ToolOptions, 'limits'> {
  url: string;
  /** The charter's version control servers. */
  vcs: readonly string[];
  /** Limits of the job, which apply to git as well; memory is raised to git's minimum. */
  cpus: number;
  memoryBytes: number;
  /** Maximum size of the source in bytes. Slightly more may be received. */
  bytesMax: number;
  /** Bandwidth limit, shared with the rest of the worker. */
  bandwidth?: Bandwidth;
  /** Of a worker. Absent: who fetches named the server. */
  gate?: HostGate;
  /** Writes a line to the build's log. */
  say(text: string): void;
  /** Replaced in attack tests. */
  resolve?: Resolve;
  /** A sandbox that was opened before in `stateDir` and `scratch`. It is closed with what is opened here. */
  ahead?: ConfinedAhead | undefined;
}

/** git in a sandbox that can connect to the server of one source only. */
export interface ConfinedGit {
  /** Folder that git can write to. */
  readonly dir: string;
  readonly wrap: NonNullable<GitOptions['wrap']>;
  readonly start?: NonNullable<GitOptions['start']>;
  /** A connection to the server, for what this process asks of it. */
  readonly connect: NonNullable<CommitOptions['connect']>;
  /** Waits for a pack, for the first commit. */
  readonly waiting?: WaitingGit;
  readonly egress: Egress;
  /** Replaces an error of git by its cause, if the sandbox or the proxy knows it. */
  explain(error: unknown): unknown;
  close(): Promise<void>;
}

/** A sandbox in which git waits for a pack, before it is known which: used once. */
export interface ConfinedAhead {
  readonly tool: ToolSandbox;
  readonly waiting: WaitingGit;
  /** Sets the limits of a job. Returns whether they hold. */
  limit(limits: Pick<ConfinedOptions, 'cpus' | 'memoryBytes'>): boolean;
  close(): Promise<void>;
}

type ToolPlace = Omit<ToolOptions, 'limits'> & Pick<ConfinedOptions, 'cpus' | 'memoryBytes'>;

/** Opens a sandbox before its source is known. @throws `SANDBOX_…` */
export async function openConfinedAhead(options: ToolPlace): Promise<ConfinedAhead> {
  const tool = await openTool(options);
  try {
    const start = tool.start && startBy(tool.start);
    const wrap = (command: readonly string[]) => tool.wrap(command, 'nothing');
    const waiting = await WaitingGit.ahead(tool.dir, { wrap, ...(start && { start }) });
    const close = async () => {
      waiting.end();
      await tool.close();
    };
    return { tool, waiting, limit: (limits) => tool.limit(toolLimits(limits)), close };
  } catch (error) {
    await tool.close();
    throw error;
  }
}

/** A node that only checks out, such as the watcher, opens no other sandbox that would remove what it left when it was killed. */
async function openTool(place: ToolPlace): Promise<ToolSandbox> {
  await removeLeftovers(place.stateDir);
  return openToolSandbox({ ...place, limits: toolLimits(place) });
}

const toolLimits = ({ cpus, memoryBytes }: ToolOptions['limits']): ToolOptions['limits'] => ({
  cpus,
  memoryBytes: Math.max(memoryBytes, buildLimits.gitMemoryBytesMin),
});

/** Opens a sandbox for git. @throws `SOURCE_URL_…`, SOURCE_PROTOCOL_REFUSED, `SANDBOX_…`, EGRESS_UNAVAILABLE */
export async function openConfinedGit(options: ConfinedOptions): Promise<ConfinedGit> {
  const { vcs, say, ahead } = options;
  const url = fetchableUrl(options.url);
  const tool = ahead?.tool ?? (await openTool(options));
  try {
    const egress = await openEgressProxy({
      dir: tool.net,
      targets: [{ host: url.host, port: url.port }],
      privateTargets: vcs.flatMap((entry) => targetsOf(entry, [url.usualPort])).filter(isLiteralAddress),
      receivedBytesMax: options.bytesMax + buildLimits.egressOverheadBytes,
      resolve: options.resolve,
      gate: options.gate,
      ...(options.bandwidth !== undefined && { connect: meteredConnect(options.bandwidth) }),
      onRefusal: ({ code, message }) => say(`${code}: ${message}`),
    });
    return confined(tool, egress, url, ahead?.waiting);
  } catch (error) {
    ahead?.waiting.end();
    await tool.close();
    throw error;
  }
}

function confined(
  tool: ToolSandbox,
  egress: Egress,
  { protocol, host, port }: GitUrl,
  waiting: WaitingGit | undefined,
): ConfinedGit {
  const access = protocol === 'git' ? 'command' : 'loopback';
  return {
    dir: tool.dir,
    egress,
    connect: () => egress.connect({ host, port }),
    ...(tool.start !== undefined && { start: startBy(tool.start) }),
    ...(waiting !== undefined && { waiting }),
    wrap: (command, reach) => tool.wrap(command, reach === 'server' ? access : 'nothing'),
    explain: (error) => {
      if (!/^SOURCE_(?!TIMEOUT|TOO_LARGE|COMMIT_)/.test(codeOf(error))) return error;
      if (tool.outOfMemory())
        return new QuorateError('SOURCE_TOO_LARGE', 'git exceeded its memory limit for this source', {
          hint: 'Make the repository smaller: one file of its history may be very large.',
          cause: error,
        });
      const [refusal] = egress.refusals;
      if (refusal === undefined) return error;
      const { message, hint } = refusal;
      const code = refusal.code === 'EGRESS_UNREACHABLE' ? 'SOURCE_UNREACHABLE' : refusal.code;
      return reportedError(code, message, { cause: error, hint });
    },
    close: async () => {
      waiting?.end();
      await Promise.all([egress.close(), tool.close()]);
    },
  };
}

const startBy =
  (start: NonNullable<ToolSandbox['start']>): NonNullable<ConfinedGit['start']> =>
  (words, folder, variables) => {
    const { streams, ended, kill } = start({ words, folder, variables, group: true }, 3);
    const [stdin, stdout, stderr] = streams as [Duplex, Duplex, Duplex];
    return { stdin, stdout, stderr, ended, kill };
  };
