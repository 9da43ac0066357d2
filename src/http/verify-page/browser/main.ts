import './no-eval.ts';
import { openWebVerifier } from '../../../identity/web-verifier.ts';
import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import type { Verifier } from '../../../protocol/documents/index.ts';
import type { ReportLine } from '../../../protocol/trust/index.ts';
import { askServer } from './ask-server.ts';
import { type Answer, check, demandsOf, type Question } from './check.ts';
import { contentOf, type Given } from './content.ts';
import { type Fetched, fetchHanded, type Handed, handedBy } from './handed.ts';
import type { Brought } from './knowledge.ts';
import { dropped, type Picked, pickedFrom } from './picked.ts';

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`assertion failed: the page has no ${id}`);
}

const form = element('form', HTMLFormElement);
const drop = element('drop', HTMLElement);
const result = element('result', HTMLElement);
const input = (id: string) => element(id, HTMLInputElement);
/** Names of the text fields; a fragment may fill them: `#project=…&ref=…`. Of a page that a server serves not with another server. */
const fields = ['project', 'server', 'source', 'ref', 'recipe', 'path', 'age'] as const;

const isServed = location.protocol !== 'file:';

let bundle: File | undefined;
let artifact: Picked | undefined;
/** Of the link that led here. */
let handed: Handed | undefined;
/** A link named the root key, and nobody has typed it since. */
let isKeyOfLink = false;
let running = new AbortController();
let verifier: Verifier | undefined;

function useFragment(): void {
  const given = new URLSearchParams(location.hash.slice(1));
  handed = isServed ? handedBy(given) : undefined;
  isKeyOfLink ||= given.has('project');
  element('handed', HTMLElement).hidden = handed === undefined;
  if (handed !== undefined) {
    element('handed-run', HTMLAnchorElement).href = `/runs/${handed.run}`;
    element('handed-from', HTMLElement).textContent = location.origin;
  }
  for (const name of fields) {
    const value = given.get(name);
    // A link may not name the server that says what was revoked: its maker would choose the answer.
    if (name === 'server' && value !== '' && isServed && value !== location.origin) continue;
    if (value !== null) input(name).value = value.slice(0, 8192);
    if (value !== null && name !== 'project' && name !== 'server')
      drop.parentElement?.querySelector('details')?.setAttribute('open', '');
  }
}

function take(chosen: { bundle?: File | undefined; artifact?: Picked | undefined }): void {
  if (chosen.bundle !== undefined) bundle = chosen.bundle;
  if (chosen.artifact !== undefined) artifact = chosen.artifact;
  element('bundle-name', HTMLOutputElement).value = bundle === undefined ? '' : `Bundle: ${bundle.name}`;
  element('artifact-name', HTMLOutputElement).value =
    artifact === undefined ? '' : `Artifact: ${artifact.name}`;
}

input('project').addEventListener('input', () => {
  isKeyOfLink = false;
});
input('bundle').addEventListener('change', () => take({ bundle: input('bundle').files?.[0] }));
for (const id of ['files', 'folder'])
  input(id).addEventListener('change', () => take({ artifact: pickedFrom([...(input(id).files ?? [])]) }));

document.addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
document.addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) drop.classList.remove('over');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  if (event.dataTransfer === null) return;
  void dropped(event.dataTransfer).then((chosen) => {
    take(chosen);
    if (bundle !== undefined && input('project').value !== '') void run();
  }, sayFault);
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void run();
});
addEventListener('hashchange', () => useFragment());
// The server that the page is from, unless it is opened as a file.
if (isServed) input('server').value = location.origin;
element('home', HTMLElement).hidden = !isServed;
useFragment();
if (handed !== undefined && input('project').value !== '') void run();

async function run(): Promise<void> {
  running.abort();
  const own = new AbortController();
  running = own;
  show([line('p', '', 'verifying')]);
  try {
    verifier ??= await openWebVerifier();
    const fetched = await fetchedFor(own.signal);
    const project = keyGiven();
    const answer = await check(await question(project.key, own.signal, fetched), verifier);
    const lines = [...(fetched === undefined ? [] : [fetched.line]), ...answer.lines];
    if (!own.signal.aborted) sayAnswer(ofKey({ ...answer, lines }, project));
  } catch (error) {
    if (!own.signal.aborted) sayFault(error);
  }
}

/** Files of the run that the link hands over, where none was chosen. */
async function fetchedFor(signal: AbortSignal): Promise<Fetched | undefined> {
  if (handed === undefined || bundle !== undefined || artifact !== undefined) return undefined;
  const [origin, project] = [location.origin, input('project').value.trim()];
  return fetchHanded(handed, { origin, project }, (says) => show([line('p', '', says)]), signal);
}

/** The root key as the form has it now: another one may be typed before there is an answer. */
const keyGiven = () => ({ key: input('project').value.trim(), isOfLink: isKeyOfLink });

/** Not green where the link named the root key: whoever made the link chose which files hold. */
function ofKey(answer: Answer, { key, isOfLink }: ReturnType<typeof keyGiven>): Answer {
  if (!isOfLink) return answer;
  const says = `The root key came with the link, so this holds if you trust whoever made the link. Compare it with the key that the owner of the project gave you, or type that in: ${key}`;
  const lines: ReportLine[] = [...answer.lines, { kind: 'warning', says }];
  if (answer.standing === 'bad') return { ...answer, lines };
  const last = `${answer.last.replace(/\.$/, '')}, if the root key of the link is that of the project.`;
  return { ...answer, lines, standing: 'open', last };
}

async function question(
  project: string,
  signal: AbortSignal,
  fetched: Fetched | undefined,
): Promise<Question> {
  const text = Object.fromEntries(fields.map((name) => [name, input(name).value.trim()]));
  const file = fetched?.bundle ?? bundle;
  const given = fetched === undefined ? artifact : fetched.artifact && pickedFrom([fetched.artifact]);
  if (file === undefined)
    throw new QuorateError('VERIFY_INPUT_INVALID', 'there is no evidence to verify', {
      hint: 'Choose the bundle that quorate fetch --bundle-out wrote.',
    });
  const demands = demandsOf(text);
  return {
    project,
    bundle: { name: file.name, bytes: file.size, text: () => file.text() },
    artifact: given && { name: given.name, given: await read(given, signal) },
    ...(fetched !== undefined && { about: fetched.about }),
    ...demands,
    ...(await brought(text.server ?? '', project, signal)),
    now: Date.now(),
  };
}

/** Revocations from the file or, without one, from the server. */
async function brought(server: string, project: string, signal: AbortSignal): Promise<{ brought?: Brought }> {
  const file = input('revocations').files?.[0];
  if (file !== undefined) {
    if (file.size > limits.bundleBytesMax)
      throw new QuorateError('REVOCATION_UNREADABLE', `${file.name} is too large for a list of revocations`, {
        hint: 'Choose the file that revoke --out wrote.',
      });
    return { brought: { from: file.name, revocations: [await file.text()] } };
  }
  return server === '' ? {} : { brought: await askServer(server, project, signal) };
}

async function read({ name, files, isFolder }: Picked, signal: AbortSignal): Promise<Given | QuorateError> {
  const total = Math.max(
    1,
    files.reduce((sum, { size }) => sum + size, 0),
  );
  let done = 0;
  let shown = -1;
  const progress = (bytes: number) => {
    done += bytes;
    const percent = Math.min(100, Math.floor((100 * done) / total));
    if (percent !== shown) show([line('p', '', `reading ${name}: ${percent} %`)]);
    shown = percent;
  };
  try {
    return await contentOf(files, isFolder, progress, signal);
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
}

function line(tag: string, className: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.textContent = text;
  return made;
}

function show(content: HTMLElement[]): void {
  result.hidden = false;
  result.replaceChildren(...content);
}

function lineOf(said: ReportLine, standing: Answer['standing']): HTMLElement {
  if (said.kind === 'level')
    return line('li', `last ${said.level === 'trusted' ? standing : 'bad'}`, said.level);
  if (said.kind === 'warning') return line('li', 'bad', said.says);
  const item = line('li', said.kind, '');
  if (said.kind === 'step')
    item.append(line('b', said.ok ? 'good' : 'bad', said.ok ? 'ok' : 'no'), ` ${said.step}: ${said.says}`);
  else item.append(line('b', '', said.label.padEnd(9)), ` ${said.says}`);
  return item;
}

function sayAnswer({ lines, last, standing }: Answer): void {
  const list = line('ul', 'lines', '');
  list.append(...lines.map((said) => lineOf(said, standing)));
  show([list, line('p', `last ${standing}`, last)]);
  result.focus();
}

function sayFault(error: unknown): void {
  const code = error instanceof QuorateError ? ` [${error.code}]` : '';
  const hint = error instanceof QuorateError ? error.hint : undefined;
  show([
    line('p', 'last bad', `${messageOf(error)}${code}`),
    ...(hint === undefined ? [] : [line('p', '', hint)]),
  ]);
  result.focus();
}
