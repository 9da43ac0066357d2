import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { sizeText } from '../../src/protocol/base/quantity.ts';
import { joinArchives } from '../archive.ts';
import type { Group } from '../cgroups/group.ts';
import { sandboxLimits } from '../limits.ts';
import type { SandboxCaps, SandboxIo, SandboxJob, SandboxOutcome } from '../types.ts';
import type { Started } from './ahead.ts';
import { Deadline } from './deadline.ts';
import { type DriverStatus, jobMessage, parseStatus, toldBytesMax, workEntries } from './driver.ts';
import type { BuildGuards } from './guards.ts';
import type { BuildProcess } from './process.ts';
import { profileOf } from './profile.ts';

/** Checks on the stream of outputs: its size, and that the driver reported it complete. */
interface OutputBounds {
  readonly bytesMax: number;
  /** Called once when there are more bytes; the stream fails too. */
  readonly exceeded: () => void;
  /** Resolves when the driver has reported that the archive is complete. The stream does not end before. */
  readonly complete: Promise<void>;
}

/** Passes `raw` on within the bounds. Fails when it exceeds them or `complete` rejects. */
function boundedOutputs(raw: Readable, { bytesMax, exceeded, complete }: OutputBounds): Transform {
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Uint8Array, _encoding, callback) {
      bytes += chunk.byteLength;
      if (bytes <= bytesMax) return callback(null, chunk);
      exceeded();
      callback(new Error(`the outputs exceed ${sizeText(bytesMax)}`));
    },
    flush(callback) {
      complete.then(() => callback(), callback);
    },
  });
  // A reader that has stopped must not block tar: the remaining bytes are dropped.
  stream.once('close', () => raw.resume());
  stream.on('error', () => {});
  raw.pipe(stream);
  return stream;
}

type Aborted = Extract<SandboxOutcome, { kind: 'aborted' }>;

const aborted = (reason: Aborted['reason'], detail: string, limit?: Aborted['limit']): Aborted => ({
  kind: 'aborted',
  reason,
  detail,
  ...(limit !== undefined && { limit }),
});

/** Memory and processor time are polled at this interval. */
const POLL_MS = 250;
const transferMs = sandboxLimits.transferSecondsMax * 1000;

/** Runs one build in a cgroup, which the caller destroys: sends its input, holds limits, delivers log and outputs. */
export class BuildSupervisor {
  readonly #job: SandboxJob;
  readonly #io: SandboxIo;
  readonly #group: Group;
  readonly #guards: BuildGuards;
  readonly #process: BuildProcess;
  #stopped: Aborted | undefined;
  #thrown: { error: unknown } | undefined;
  #ready = false;
  #exitCode: number | undefined;
  #whole = false;
  #setupFailure: string | undefined;
  #diagnostics = '';
  #caps: SandboxCaps = {};
  readonly #filesInMemory: boolean;
  readonly #deadline: Deadline;
  #delivered: Promise<void> = Promise.resolve();
  readonly #complete = Promise.withResolvers<void>();
  readonly #stopping = Promise.withResolvers<void>();

  constructor(
    job: SandboxJob,
    io: SandboxIo,
    guards: BuildGuards,
    { group, build, filesInMemory }: Pick<Started, 'group' | 'build' | 'filesInMemory'>,
  ) {
    this.#deadline = new Deadline((detail) => {
      const isOfSteps = this.#ready && this.#exitCode === undefined && !this.#isCapped('seconds');
      this.#stop('time', detail, isOfSteps ? 'seconds' : undefined);
    });
    this.#job = job;
    this.#io = io;
    this.#group = group;
    this.#guards = guards;
    for (const tar of this.#tars()) tar.on('error', () => {});
    this.#complete.promise.catch(() => {});
    this.#process = build;
    this.#filesInMemory = filesInMemory;
  }

  /** Runs the build to its end. Rejects with what a callback of the caller threw. */
  async outcome(): Promise<SandboxOutcome> {
    const onAbort = () => this.#stop('killed', 'the job was cancelled');
    const over = new AbortController();
    const watch = setInterval(() => this.#poll(), POLL_MS);
    this.#io.signal.addEventListener('abort', onAbort);
    if (this.#io.signal.aborted) onAbort();
    this.#deadline.set(transferMs, 'source and inputs were not in place in time');
    try {
      const ended = this.#follow();
      this.#send();
      await Promise.race([ended, this.#stopping.promise]);
      // Output written before a kill is still delivered; a reader that does not finish is not waited for.
      const grace = sleep(sandboxLimits.stopSecondsMax * 1000, undefined, { signal: over.signal });
      await Promise.race([ended, grace.catch(() => {})]);
    } finally {
      over.abort();
      clearInterval(watch);
      this.#deadline.clear();
      this.#io.signal.removeEventListener('abort', onAbort);
      const { input, log, diagnostics, status, outputs } = this.#process;
      for (const stream of [...this.#tars(), input, log, diagnostics, status, outputs]) stream.destroy();
    }
    return this.#verdict();
  }

  #tars(): Readable[] {
    const { source, git, inputs, dependencies } = this.#job;
    return [
      ...[source, ...(git === undefined ? [] : [git])],
      ...[...inputs, ...(dependencies?.folders ?? [])].map(({ tar }) => tar),
    ];
  }

  #send(): void {
    const pins = profileOf(this.#job);
    const { source, git, inputs, dependencies } = this.#job;
    const parts = [
      { folder: pins.source, tar: source },
      ...(git === undefined ? [] : [{ folder: `${pins.source}/.git`, tar: git }]),
      ...inputs.map(({ name, tar }) => ({ folder: `in/${name}`, tar })),
      ...(dependencies?.folders ?? []).map(({ name, tar }) => ({ folder: name, tar })),
    ];
    const { input, readsJob } = this.#process;
    if (readsJob) input.write(jobMessage(this.#job));
    pipeline(joinArchives(parts, workEntries(pins, !readsJob)), input).catch((error: unknown) => {
      // Any other error is a broken pipe: the driver has ended and has reported why.
      if (error instanceof QuorateError && !this.#ready) this.#stop('setup', error.message);
    });
  }

  /** Resolves when the process has ended, its streams are read and the outputs are delivered. */
  async #follow(): Promise<void> {
    const { child, log, diagnostics, status } = this.#process;
    const closed = (stream: Readable) => new Promise<void>((resolve) => stream.once('close', resolve));
    for (const stream of [log, diagnostics, status, this.#process.outputs, this.#process.input]) {
      stream.on('error', () => {});
    }
    log.on('data', (chunk: Uint8Array) => this.#guarded(() => this.#io.onLog(chunk)));
    diagnostics.on('data', (chunk: Buffer) => {
      this.#diagnostics = (this.#diagnostics + chunk.toString('latin1')).slice(-toldBytesMax);
    });
    let line = '';
    status.on('data', (chunk: Buffer) => {
      const lines = (line + chunk.toString('latin1')).split('\n');
      line = (lines.pop() ?? '').slice(0, toldBytesMax);
      for (const text of lines) this.#guarded(() => this.#onStatus(parseStatus(text)));
    });
    status.once('close', () => this.#onStatusEnd());
    await Promise.all([child.ended, closed(log), closed(diagnostics), closed(status)]);
    await this.#delivered;
  }

  /** Accepts each message once and in order: the sender may be a guest kernel that the build controls. */
  #onStatus(status: DriverStatus | undefined): void {
    switch (status?.kind) {
      case 'ready':
        if (this.#ready) return;
        this.#ready = true;
        this.#deadline.set(...this.#stepsLimit());
        return;
      case 'exit':
        if (!this.#ready || this.#exitCode !== undefined) return;
        this.#exitCode = status.code;
        this.#deadline.set(transferMs, 'the outputs were not taken in time');
        if (this.#returnsOutputs && !this.#checkMemory()) this.#deliver();
        return;
      case 'complete':
        if (!this.#returnsOutputs) return;
        this.#whole = true;
        if (!this.#checkMemory()) this.#complete.resolve();
        return;
      case 'setup':
        this.#setupFailure = status.what;
        return;
      case 'memory':
        this.#outOfMemory();
        return;
      case undefined:
        return;
    }
  }

  #onStatusEnd(): void {
    if (this.#returnsOutputs && !this.#whole && this.#setupFailure === undefined) {
      this.#stop('killed', 'the sandbox was ended before its outputs were out');
    }
    this.#complete.reject(new Error('the sandbox ended before the outputs did'));
  }

  /** Whether the driver packs outputs after the exit status that it has told. */
  get #returnsOutputs(): boolean {
    if (this.#exitCode === undefined) return false;
    return this.#exitCode === 0 || this.#job.failedOutputs === true;
  }

  #deliver(): void {
    const bytesMax = this.#guards.outputBytesMax(this.#job.limits);
    const stream = boundedOutputs(this.#process.outputs, {
      bytesMax,
      exceeded: () => this.#stop('disk', `the outputs exceed ${sizeText(bytesMax)}`, 'diskBytes'),
      complete: this.#complete.promise,
    });
    // A stream that breaks off is incomplete, whatever the driver reported.
    this.#process.outputs.once('error', ({ message }) => this.#stop('killed', message));
    this.#stopping.promise.then(() => stream.destroy(new Error(this.#stopped?.detail ?? 'the job ended')));
    this.#delivered = this.#io.onOutputs(stream).then(
      () => {
        // A reader may stop at the end mark of the archive; the padding after it still has to be read.
        stream.resume();
      },
      (error: unknown) => {
        // If the archive could not be completed, the job has failed, not its reader.
        if (this.#stopped === undefined && this.#setupFailure === undefined) this.#fail(error);
      },
    );
  }

  #checkMemory(): boolean {
    if (this.#group.oomKills() === 0) return false;
    this.#outOfMemory();
    return true;
  }

  #poll(): void {
    const { processorSeconds = Number.POSITIVE_INFINITY } = this.#caps;
    if (this.#checkMemory() || this.#exitCode !== undefined) return;
    if (this.#group.usage().processorSeconds <= processorSeconds) return;
    this.#stop('time', `over ${processorSeconds} s of processor time, the operator's limit`);
  }

  /** Applies the operator's current caps on time. The kernel's limits are changed through the cgroup. */
  cap(caps: SandboxCaps): void {
    this.#caps = caps;
    if (this.#ready && this.#exitCode === undefined) this.#deadline.change(...this.#stepsLimit());
  }

  #stepsLimit(): [milliseconds: number, detail: string] {
    const { limits } = this.#job;
    const asked = this.#guards.deadlineMs(limits);
    const { seconds = Number.POSITIVE_INFINITY } = this.#caps;
    if (seconds * 1000 >= asked) return [asked, `over ${limits.seconds} s`];
    return [seconds * 1000, `over ${seconds} s, the operator's limit`];
  }

  /** Whether the operator's cap is below the job's limit. */
  #isCapped(name: 'seconds' | 'memoryBytes'): boolean {
    return (this.#caps[name] ?? Number.POSITIVE_INFINITY) < this.#job.limits[name];
  }

  #outOfMemory(): void {
    const included = this.#filesInMemory ? ', files in /build included' : '';
    const detail = `over ${sizeText(this.#job.limits.memoryBytes)} of memory${included}`;
    this.#stop('memory', detail, this.#isCapped('memoryBytes') ? undefined : 'memoryBytes');
  }

  /** Pauses the time limit while the job is frozen. */
  pause(paused: boolean): void {
    this.#deadline.pause(paused);
    this.#process.pause?.(paused);
  }

  /** Kills the build. The first reason is the one that is reported. */
  #stop(...why: Parameters<typeof aborted>): void {
    this.#stopped ??= aborted(...why);
    this.#process.child.kill();
    this.#group.kill();
    this.#complete.reject(new Error(this.#stopped.detail));
    this.#stopping.resolve();
  }

  #fail(error: unknown): void {
    this.#thrown ??= { error };
    this.#stop('killed', 'the reader of the log or the outputs failed');
  }

  #guarded(callback: () => void): void {
    if (this.#thrown !== undefined) return;
    try {
      callback();
    } catch (error) {
      this.#fail(error);
    }
  }

  #verdict(): SandboxOutcome {
    if (this.#thrown !== undefined) throw this.#thrown.error;
    // Checked again: a job that lost a process to the kernel since the last poll may still exit 0.
    this.#checkMemory();
    if (this.#stopped !== undefined) return this.#stopped;
    const diagnostics = this.#diagnostics.trim();
    if (this.#setupFailure === 'outputs') return { kind: 'exit', code: this.#exitCode || 1 };
    if (this.#exitCode !== undefined) return { kind: 'exit', code: this.#exitCode };
    if (this.#setupFailure === 'bash' && !this.#ready) throw noBash(this.#job);
    if (this.#setupFailure === 'disk')
      return aborted('disk', 'source and inputs do not fit the disk limit', 'diskBytes');
    if (this.#ready) return aborted('killed', 'the sandbox was ended from outside');
    return aborted('setup', diagnostics || 'the sandbox ended before the first step');
  }
}

function noBash({ image }: SandboxJob): QuorateError {
  const [where, hint] =
    image === 'host'
      ? ['on this host', 'Install bash on this host, or leave "shell: bash" out of the job.']
      : [`in the image ${image.cid}`, 'Add bash to the image, or leave "shell: bash" out of the job.'];
  return new QuorateError('SANDBOX_SHELL_MISSING', `a step asks for bash, and there is none ${where}`, {
    hint,
  });
}
