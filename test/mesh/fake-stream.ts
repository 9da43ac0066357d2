/** A stream of libp2p whose other end is the test. */
export class FakeStream extends EventTarget {
  status = 'open';
  readStatus = 'readable';
  writeStatus = 'writable';
  remoteWriteStatus = 'writable';
  readBufferLength = 0;
  writeBufferLength = 0;
  writableNeedsDrain = false;
  /** Of methods, in their order. */
  readonly calls: string[] = [];
  /** Each frame. */
  readonly sent: Uint8Array[] = [];

  pause(): void {
    this.calls.push('pause');
    this.readStatus = 'paused';
  }

  resume(): void {
    this.calls.push('resume');
    this.readStatus = 'readable';
  }

  send(frame: Uint8Array): boolean {
    this.sent.push(frame);
    return true;
  }

  async close(): Promise<void> {
    this.calls.push('close');
    this.writeStatus = 'closed';
  }

  abort(reason: Error): void {
    this.calls.push(`abort: ${reason.message}`);
    this.status = 'aborted';
  }

  arrive(...data: Uint8Array[]): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: data.length === 1 ? data[0] : data }));
  }

  /** The other end closes its half. */
  end(): void {
    this.dispatchEvent(new Event('remoteCloseWrite'));
  }

  closes(over: { error?: Error; local?: boolean } = {}): void {
    this.dispatchEvent(Object.assign(new Event('close'), over));
  }
}
