import { PassThrough, Transform, Writable } from 'node:stream';
import { Deadline } from '../run/deadline.ts';
import { tarRecordBytes, toldBytesMax } from '../run/driver.ts';
import type { BuildProcess } from '../run/process.ts';
import { bootedWord, finishedWord } from './guest.ts';

/**
 * Passes bytes up to an end marker and drops the rest. A serial port has no end of file, and a virtual machine that ends may
 * lose buffered data: the marker shows that the data is complete.
 */
export class UntilMarker extends Transform {
  readonly #mark: Buffer;
  /** Trailing bytes that may be the beginning of the marker. */
  #held: Buffer = Buffer.alloc(0);
  #seen = false;
  readonly #reached: () => void;

  readonly #cutShort: string | undefined;

  /** `cutShort` is the error message for a stream that ends without the marker; absent, that is no error. */
  constructor(mark: Buffer, reached: () => void, cutShort?: string) {
    super();
    this.#mark = mark;
    this.#reached = reached;
    this.#cutShort = cutShort;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    if (!this.#seen) this.#take(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]));
    done();
  }

  override _flush(done: (error?: Error) => void): void {
    if (!this.#seen) this.push(this.#held);
    if (this.#seen || this.#cutShort === undefined) done();
    else done(new Error(this.#cutShort));
  }

  #take(bytes: Buffer): void {
    const at = bytes.indexOf(this.#mark);
    this.#seen = at >= 0;
    const end = this.#seen ? at : bytes.length - beginning(bytes, this.#mark);
    this.#held = bytes.subarray(this.#seen ? bytes.length : end);
    this.push(bytes.subarray(0, end));
    if (!this.#seen) return;
    this.push(null);
    this.#reached();
  }
}

/** Length of the longest suffix of `bytes` that is a prefix of the marker. */
function beginning(bytes: Buffer, mark: Buffer): number {
  const first = Math.max(0, bytes.length - mark.length);
  const next = (from: number): number => bytes.indexOf(mark.readUInt8(0), from);
  for (let at = next(first); at >= 0; at = next(at + 1))
    if (bytes.subarray(at).equals(mark.subarray(0, bytes.length - at))) return bytes.length - at;
  return 0;
}

/** Streams from the guest to the host. */
const outward = ['log', 'diagnostics', 'status', 'outputs'] as const;

/** QEMU prints this and then hangs where KVM is offered but does not work. */
const kvmFailure = 'KVM internal error';

export interface BootOptions {
  /** Time limit from the start of QEMU to the guest's first message, in milliseconds. */
  readonly bootMs: number;
  readonly attempts: number;
  /** End marker that the guest writes to the ports of log and outputs. */
  readonly mark: Buffer;
}

/** A build in a virtual machine, started again if it does not boot: nothing of the job is sent before its first message. */
export class VmBoot implements BuildProcess {
  readonly input: Writable;
  readonly readsJob = false;
  readonly diagnostics = new PassThrough();
  readonly status: Transform;
  readonly log: Transform;
  readonly outputs: Transform;
  readonly child: BuildProcess['child'];
  readonly #start: () => BuildProcess;
  readonly #options: BootOptions;
  readonly #deadline: Deadline;
  readonly #ended = Promise.withResolvers<void>();
  readonly #booted = Promise.withResolvers<BuildProcess>();
  #vm: BuildProcess | undefined;
  #killed = false;
  #sent = 0;

  constructor(start: () => BuildProcess, options: BootOptions) {
    this.#start = start;
    this.#options = options;
    this.#deadline = new Deadline(() => this.#vm?.child.kill());
    this.#booted.promise.catch(() => {});
    // QEMU is killed when log, outputs and status have been read to their ends.
    let awaited = 3;
    const oneOver = (): void => {
      if (--awaited === 0) this.#vm?.child.kill();
    };
    const cutShort = 'the virtual machine ended before its outputs were complete';
    this.log = new UntilMarker(options.mark, oneOver);
    this.outputs = new UntilMarker(options.mark, oneOver, cutShort);
    this.status = new UntilMarker(Buffer.from(`${finishedWord}\n`), oneOver);
    this.child = { ended: this.#ended.promise, kill: () => this.#kill() };
    this.input = new Writable({
      write: (chunk: Uint8Array, _encoding, done) => this.#send(chunk, done),
      // QEMU's end of the stream stays open: QEMU drops unread data of a stream that has ended.
      final: (done) => {
        const missing = (tarRecordBytes - (this.#sent % tarRecordBytes)) % tarRecordBytes;
        this.#send(Buffer.alloc(missing), done);
      },
    });
    for (const name of outward) {
      this[name].once('close', () => this.#close());
      // Other listeners get the error too.
      this[name].on('error', () => {});
    }
    void this.#run();
  }

  /** Pauses the boot's time limit while the virtual machine is frozen. */
  pause(paused: boolean): void {
    this.#deadline.pause(paused);
  }

  async #run(): Promise<void> {
    const diagnostics = await this.#tries().catch((error: Error) => error.message);
    if (diagnostics !== undefined) {
      this.#booted.reject(new Error('the virtual machine did not start'));
      for (const name of outward) this[name].end(name === 'diagnostics' ? diagnostics : undefined);
    }
    this.#ended.resolve();
  }

  /** Resolves when a virtual machine that booted has ended; with an error message if none booted. */
  async #tries(): Promise<string | undefined> {
    const { attempts, bootMs } = this.#options;
    let diagnostics = '';
    for (let tried = 0; tried < attempts && !this.#killed; tried++) {
      const vm = this.#start();
      this.#vm = vm;
      this.#deadline.set(bootMs, 'boot');
      const failure = await this.#watch(vm);
      this.#deadline.clear();
      if (failure === undefined) {
        await vm.child.ended;
        return undefined;
      }
      diagnostics = failure;
    }
    const seconds = Math.round(bootMs / 1000);
    return `the virtual machine did not start within ${seconds} s, ${attempts} times. ${diagnostics}`;
  }

  /** Resolves when the guest has sent its first message and the streams are connected; with an error message when QEMU has ended before. */
  async #watch(vm: BuildProcess): Promise<string | undefined> {
    let diagnostics = '';
    let status = '';
    const spoken = new Promise<boolean>((resolve) => {
      vm.status.on('data', (chunk: Buffer) => {
        status = (status + chunk.toString('latin1')).slice(0, toldBytesMax);
        if (!status.startsWith(`${bootedWord}\n`)) return;
        vm.status.removeAllListeners('data').pause();
        vm.status.unshift(Buffer.from(status.slice(bootedWord.length + 1), 'latin1'));
        resolve(true);
      });
      void vm.child.ended.then(() => resolve(false));
    });
    vm.diagnostics.on('data', (chunk: Buffer) => {
      diagnostics = (diagnostics + chunk.toString('latin1')).slice(-toldBytesMax);
      if (diagnostics.includes(kvmFailure)) vm.child.kill();
    });
    for (const name of ['input', ...outward] as const) vm[name].on('error', () => {});
    if (!(await spoken)) {
      // An error of the stream is no reason not to try again.
      if (!vm.diagnostics.closed) await new Promise((resolve) => vm.diagnostics.once('close', resolve));
      return diagnostics.trim();
    }
    vm.diagnostics.removeAllListeners('data');
    for (const name of outward) {
      vm[name].pipe(this[name]);
      // Also when the source is destroyed.
      vm[name].once('close', () => this[name].end());
    }
    this.#booted.resolve(vm);
    return undefined;
  }

  #send(chunk: Uint8Array, done: (error?: Error | null) => void): void {
    this.#sent += chunk.byteLength;
    this.#booted.promise.then(
      ({ input }) => input.write(chunk, (error) => done(error ?? null)),
      (error: Error) => done(error),
    );
  }

  #kill(): void {
    this.#killed = true;
    this.#vm?.child.kill();
  }

  /** Destroys the streams of QEMU whose counterparts the caller has destroyed. */
  #close(): void {
    for (const name of ['input', ...outward] as const) if (this[name].destroyed) this.#vm?.[name].destroy();
  }
}
