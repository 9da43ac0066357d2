import { PassThrough, type Readable, type Transform, Writable } from 'node:stream';
import { Deadline } from '../run/deadline.ts';
import { tarRecordBytes, toldBytesMax } from '../run/driver.ts';
import type { BuildProcess } from '../run/process.ts';
import { UntilMarker } from './end-marker.ts';
import { bootedWord, finishedWord } from './guest.ts';

/** QEMU prints this and then hangs where KVM is offered but does not work. */
const kvmFailure = 'KVM internal error';

export interface BootOptions {
  /** Time limit from the start of QEMU to the guest's first message, in milliseconds. */
  readonly bootMs: number;
  readonly attempts: number;
  /** End marker that the guest writes to the ports of log and outputs. */
  readonly mark: Buffer;
}

/**
 * A build in a virtual machine that is restarted if it does not boot. No byte of the job is sent before the guest's first
 * message, so a failed boot loses no data.
 */
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
    this.log = new UntilMarker(options.mark, oneOver);
    this.outputs = new UntilMarker(
      options.mark,
      oneOver,
      'the virtual machine ended before its outputs were complete',
    );
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
    for (const stream of this.#outward()) {
      stream.once('close', () => this.#close());
      // Other listeners get the error too.
      stream.on('error', () => {});
    }
    void this.#run();
  }

  /** Pauses the boot's time limit while the virtual machine is frozen. */
  pause(paused: boolean): void {
    this.#deadline.pause(paused);
  }

  #outward(): Transform[] {
    return [this.log, this.diagnostics, this.status, this.outputs];
  }

  async #run(): Promise<void> {
    const diagnostics = await this.#tries().catch((error: Error) => error.message);
    if (diagnostics !== undefined) {
      this.#booted.reject(new Error('the virtual machine did not start'));
      for (const stream of this.#outward()) stream.end(stream === this.diagnostics ? diagnostics : undefined);
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
      const boot = await this.#watch(vm);
      this.#deadline.clear();
      if (boot.ok) {
        await vm.child.ended;
        return undefined;
      }
      diagnostics = boot.diagnostics;
    }
    const seconds = Math.round(bootMs / 1000);
    return `the virtual machine did not start within ${seconds} s, ${attempts} times. ${diagnostics}`;
  }

  /** Resolves when the guest has sent its first message and the streams are connected, or when QEMU has ended before. */
  async #watch(vm: BuildProcess): Promise<{ ok: boolean; diagnostics: string }> {
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
    for (const stream of [vm.input, vm.log, vm.diagnostics, vm.status, vm.outputs])
      stream.on('error', () => {});
    if (!(await spoken)) {
      await closed(vm.diagnostics);
      return { ok: false, diagnostics: diagnostics.trim() };
    }
    vm.diagnostics.removeAllListeners('data');
    for (const name of ['log', 'diagnostics', 'status', 'outputs'] as const) connect(vm[name], this[name]);
    this.#booted.resolve(vm);
    return { ok: true, diagnostics };
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
    for (const name of ['log', 'diagnostics', 'status', 'outputs'] as const)
      if (this[name].destroyed) this.#vm?.[name].destroy();
    if (this.input.destroyed) this.#vm?.input.destroy();
  }
}

/** Pipes, and ends the target also when the source is destroyed. */
function connect(from: Readable, to: Transform): void {
  from.pipe(to);
  from.once('close', () => to.end());
}

function closed(stream: Readable): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', () => resolve()));
}
