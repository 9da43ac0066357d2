import { hash } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CheckedBundles } from '../controller/sessions/checked-bundles.ts';
import { checkCopyEnd, copyJournal, damagedEvents } from '../journal/copy.ts';
import { openBundles } from '../node/artifacts/bundles.ts';
import { makeScratch } from '../node/scratch.ts';
import { readCharter } from '../owner/project-folder.ts';
import { codeOf, type ErrorCode, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { checkPacks, readPins } from '../store/check.ts';
import { copyFile } from './copy.ts';
import { filesIn, type HomeRole, homes, isHome, noHomeHint } from './homes.ts';
import { type ReplayedController, replayCopy } from './journals.ts';
import { backupLimits } from './limits.ts';
import { findManifest, type Manifest, readManifest } from './manifest.ts';
import { compareCheckpoint, Mends, readers } from './read-files.ts';

export interface Finding {
  file: string;
  /** `mends`: the next start, or the running process, makes it again or has it from peers. `damaged`: neither does. */
  state: 'damaged' | 'mends';
  code: ErrorCode;
  says: string;
  hint?: string | undefined;
}

export interface Checked {
  folder: string;
  role: HomeRole;
  backup: boolean;
  files: number;
  bytes: number;
  /** Events of journals that were replayed, and blocks of a store. */
  events: number;
  blocks: number;
  findings: Finding[];
}

interface CheckOptions {
  role: HomeRole;
  /** A home, whose process may be running, or a backup. */
  folder: string;
  signal: AbortSignal;
}

/**
 * Reads everything that belongs to a home or a backup, with the code by which a start reads it, and changes nothing: files that reading may
 * change are copied into a temporary folder first. @throws {QuorateError} `BACKUP_FOLDER_REFUSED`, `HOME_NEWER`, `JOURNAL_BUSY`
 */
export async function checkHome(options: CheckOptions): Promise<Checked> {
  const scratch = await makeScratch('check');
  try {
    return await new Check({ ...options, folder: resolve(options.folder) }, join(scratch, '.quorate')).run();
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

class Check {
  readonly #options: CheckOptions;
  readonly #scratch: string;
  readonly #checked: Checked;
  #controller: ReplayedController | undefined;
  /** By journal: the number of events that must be in it. */
  readonly #least = new Map<string, number>();

  constructor(options: CheckOptions, scratch: string) {
    this.#options = options;
    this.#scratch = scratch;
    const { folder, role } = options;
    this.#checked = { folder, role, backup: false, files: 0, bytes: 0, events: 0, blocks: 0, findings: [] };
  }

  async run(): Promise<Checked> {
    const { folder, role } = this.#options;
    const { parts } = homes[role];
    const manifest = await this.#manifest();
    // A checkpoint is read before its journal.
    for (const { path, kind } of parts)
      for (const file of await filesIn(folder, path)) {
        const isCopied = kind === 'journal' || (kind === 'file' && !path.startsWith('logs/'));
        await this.#in(file, () => (isCopied ? this.#copy(file, kind) : this.#count(file, path)));
      }
    const bundles = openBundles(join(folder, 'bundles'));
    const stored = await bundles.names();
    for (const { path } of parts.filter(({ kind }) => kind === 'journal'))
      for (const file of await filesIn(this.#scratch, path))
        await this.#in(file, async () => this.#replay(file, stored));
    await this.#readFiles();
    await this.#checkpoint();
    if (manifest === undefined && role === 'controller') await this.#bundles(stored);
    if (manifest === undefined || manifest.artifacts) await this.#trees();
    return this.#checked;
  }

  /** Names every event that is damaged. @throws {QuorateError} `JOURNAL_…` */
  #replay(file: string, stored: ReadonlySet<string>): void {
    const copy = join(this.#scratch, file);
    try {
      const { events, controller } = replayCopy(copy, stored);
      this.#checked.events += events;
      checkCopyEnd(copy, events, this.#least.get(file) ?? 0);
      this.#controller ??= controller;
    } catch (error) {
      const [first, ...more] = codeOf(error) === 'JOURNAL_DAMAGED' ? damagedEvents(copy) : [];
      const { hint } = error as QuorateError;
      if (first === undefined || hint === undefined) throw error;
      for (const says of more.slice(0, backupLimits.findingsMax))
        this.#found(file, { state: 'damaged', code: 'JOURNAL_DAMAGED', says: this.#shown(says, file) });
      throw new QuorateError('JOURNAL_DAMAGED', first, { hint, cause: error });
    }
  }

  /** @throws {QuorateError} `BACKUP_FOLDER_REFUSED`, those of `findManifest` */
  async #manifest(): Promise<Manifest | undefined> {
    const { folder, role, signal } = this.#options;
    if ((await findManifest(folder)) === undefined) {
      if (await isHome(folder, homes[role])) return undefined;
      throw new QuorateError(
        'BACKUP_FOLDER_REFUSED',
        `${folder} is neither the home of "quorate ${role}" nor a backup of one`,
        { hint: `${noHomeHint(role)} Or name the folder that "quorate ${role} backup" made.` },
      );
    }
    const manifest = await readManifest(folder, role);
    this.#checked.backup = true;
    for (const { path, ...written } of manifest.files)
      await this.#in(path, async () => {
        const found = await copyFile(join(folder, path), undefined, signal);
        if (found.bytes !== written.bytes || found.sha256 !== written.sha256)
          throw new QuorateError('BACKUP_DAMAGED', `${join(folder, path)} is not as it was written`, {
            hint: 'A restore refuses this backup. Take another one.',
          });
      });
    return manifest;
  }

  async #copy(file: string, kind: string): Promise<void> {
    const { folder, signal } = this.#options;
    const [from, to] = [join(folder, file), join(this.#scratch, file)];
    if (kind === 'journal') {
      await mkdir(dirname(to), { recursive: true });
      this.#least.set(file, await copyJournal(from, to));
      this.#counted((await stat(to)).size);
    } else this.#counted((await copyFile(from, to, signal)).bytes);
  }

  /** Reads it where it is. */
  async #count(file: string, path: string): Promise<void> {
    const { folder, signal } = this.#options;
    // Packs are read as blocks.
    if (path.startsWith('store/')) return;
    this.#counted((await copyFile(join(folder, file), undefined, signal)).bytes);
    await readers[path]?.(join(folder, file), signal);
  }

  #counted(bytes: number): void {
    this.#checked.files += 1;
    this.#checked.bytes += bytes;
  }

  /** Those that were copied. */
  async #readFiles(): Promise<void> {
    const { signal, role } = this.#options;
    for (const { path } of homes[role].parts.filter(({ kind }) => kind === 'file'))
      for (const file of await filesIn(this.#scratch, path))
        await this.#in(file, async () => readers[path]?.(join(this.#scratch, file), signal));
  }

  async #checkpoint(): Promise<void> {
    const controller = this.#controller;
    const charter = await readCharter(this.#scratch).catch(() => undefined);
    if (controller === undefined || charter === undefined) return;
    for (const file of await filesIn(this.#scratch, 'checkpoint.txt'))
      await this.#in(file, () =>
        compareCheckpoint(join(this.#scratch, file), controller, charter.payload.project),
      );
  }

  /** Those of a controller, against the hashes in its journal. */
  async #bundles(stored: ReadonlySet<string>): Promise<void> {
    const controller = this.#controller;
    if (controller === undefined) return;
    const { machine, lost } = controller;
    const kept = openBundles(join(this.#options.folder, 'bundles'));
    const checked = new CheckedBundles(
      { machine, tell() {} },
      { ...kept, drop: async () => {} },
      (text) => hash('sha256', text),
      { storing: async () => {}, makeAgain: async () => {} },
    );
    for (const name of stored) {
      this.#options.signal.throwIfAborted();
      this.#counted((await kept.size(name)) ?? 0);
      await this.#in(`bundles/${name}.json`, async () => {
        await checked.get(name).catch((error) => {
          throw new Mends(codeOf(error) as ErrorCode, messageOf(error));
        });
      });
    }
    if (lost.length > 0)
      this.#found('bundles', {
        state: 'mends',
        code: 'BUNDLE_DAMAGED',
        says: `${lost.length} bundles are missing, and are made again from the journal`,
      });
  }

  async #trees(): Promise<void> {
    const { folder, signal, role } = this.#options;
    if (!homes[role].parts.some(({ path }) => path === 'store/pins.log')) return;
    const pins = join(this.#scratch, 'store/pins.log');
    await this.#in('store', async () => {
      if ((await filesIn(folder, 'store/pins.log')).length === 0) return;
      await copyFile(join(folder, 'store/pins.log'), pins, signal);
      const { roots } = readPins(pins);
      const packs = join(folder, 'store/public');
      const { blocks, bytes, faults, incomplete } = await checkPacks(packs, roots, signal);
      this.#checked.blocks += blocks;
      this.#checked.bytes += bytes;
      const state = this.#checked.backup ? 'damaged' : 'mends';
      for (const { file, at, says } of faults.slice(0, backupLimits.findingsMax))
        this.#found(file.slice(folder.length + 1), {
          state: 'mends',
          code: 'STORE_BLOCK_MISSING',
          says: `at byte ${at}: ${says}`,
        });
      for (const root of incomplete.slice(0, backupLimits.findingsMax))
        this.#found('store', {
          state,
          code: 'STORE_PINS_INCOMPLETE',
          says: `the pinned tree ${root} has missing or damaged blocks; it is fetched again from peers that have it`,
        });
    });
  }

  /** Notes what an error says of a file. */
  async #in(file: string, look: () => Promise<unknown>): Promise<void> {
    const { folder, signal } = this.#options;
    try {
      await look();
    } catch (error) {
      signal.throwIfAborted();
      if (codeOf(error) === 'JOURNAL_BUSY') throw error;
      const isOurs = error instanceof QuorateError;
      // The file is whole, and this version says nothing of it.
      if (isOurs && error.code === 'HOME_NEWER') {
        const { message, hint = '', cause } = error;
        throw new QuorateError('HOME_NEWER', message.replaceAll(this.#scratch, folder), { hint, cause });
      }
      this.#found(file, {
        state: error instanceof Mends ? 'mends' : 'damaged',
        code: isOurs ? (error.code as ErrorCode) : 'HOME_UNREADABLE',
        says: this.#shown(messageOf(error), file),
        hint: isOurs ? error.hint?.replaceAll(this.#scratch, folder) : undefined,
      });
    }
  }

  /** Without the path of the copy that was read. */
  #shown(says: string, file: string): string {
    const { folder } = this.#options;
    return says.replaceAll(this.#scratch, folder).replaceAll(join(folder, file), file);
  }

  #found(file: string, finding: Omit<Finding, 'file'>): void {
    this.#checked.findings.push({ file, ...finding });
  }
}
