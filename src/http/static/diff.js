// Shows the first difference of two results in dispute side by side. Parts of both files are fetched and compared here, in the browser:
// whatever they hold is put into the page as text.

/** Time for one comparison, and how often it is asked for bytes that may be on their way to the server. */
const timeMs = 20_000;
const askedMax = 5;
const askedEveryMs = 3_000;

/** Results of comparisons, by the files: the parts of a page are replaced while it is open. */
const known = new Map();

const element = (name, { className, text, ...attributes } = {}, ...children) => {
  const made = document.createElement(name);
  if (className !== undefined) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

class Refused extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

async function refusalOf(answer) {
  const { error } = await answer.json().catch(() => ({}));
  const wait = answer.headers.get('retry-after');
  const says = typeof error?.message === 'string' ? error.message : `status ${answer.status}`;
  return new Refused(wait === null ? says : `${says}; try again in ${Number(wait)} s`, error?.code);
}

/** Reads bytes of the file behind a link; `seen`: takes the name of its bytes. */
const readerOf = (url, signal, seen) => async (from, length) => {
  const range = `bytes=${from}-${from + length - 1}`;
  const answer = await fetch(url, {
    headers: { accept: 'application/json', range },
    redirect: 'error',
    signal,
  });
  if (!answer.ok) throw await refusalOf(answer);
  if (from > 0 && answer.status !== 206) throw new Refused('the server sends no part of a file');
  seen(answer.headers.get('etag'));
  const size = Number(/\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')?.[1]);
  const bytes = new Uint8Array(length);
  const reader = answer.body.getReader();
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done)
      return { bytes: bytes.subarray(0, count), whole: answer.status === 200 || from + count >= size };
    const piece = value.subarray(0, length - count);
    bytes.set(piece, count);
    count += piece.length;
    if (piece.length < value.length) {
      await reader.cancel();
      return { bytes, whole: false };
    }
  }
};

/** The file's CID, without the level that the server says of its tree. */
const cidOf = (etag) => /^"([a-z2-7]+)\./.exec(etag ?? '')?.[1];

/** Compares one file; undefined where both sides have the same. */
async function compareFile({ name, urls }, code) {
  const signal = AbortSignal.timeout(timeMs);
  const cids = [];
  const missing = [];
  const isSame = () => cids[0] !== undefined && cids[0] === cids[1];
  const readers = urls.map((url, n) => {
    const read = readerOf(url, signal, (etag) => {
      cids[n] = cidOf(etag);
    });
    return (from, length) =>
      read(from, length).catch((error) => {
        if (error.code !== 'HTTP_NOT_FOUND') throw error;
        missing[n] = error.message;
        return { bytes: new Uint8Array(), whole: true };
      });
  });
  const difference = await code.compareFiles(readers, isSame);
  if (missing[0] === undefined && missing[1] === undefined) return difference && { name, difference };
  // Another result has it.
  return missing[0] === undefined || missing[1] === undefined ? { name, difference, missing } : undefined;
}

async function compare(files, code) {
  for (const file of files) {
    const found = await compareFile(file, code);
    if (found !== undefined) return found;
  }
  return {};
}

function sentence({ name, difference, missing }, by, code) {
  if (name === undefined) return 'The bytes of these files are the same on both sides.';
  if (missing !== undefined) {
    const [here, other] = missing[0] === undefined ? by : by.toReversed();
    return `${code.quoted(name)}: ${here} built it; of ${other}: ${missing[0] ?? missing[1]}.`;
  }
  if (difference.kind === 'beyond')
    return `${code.quoted(name)}: the first ${code.bounds.bytesMax / 2 ** 20} MiB are the same.`;
  return code.sentenceOf(difference, name, by);
}

const mark = (text) => element('mark', { text, ...(text === '' && { className: 'none' }) });

const lineRow = ({ n, before, mark: marked, after, differs }) => [
  element('th', { scope: 'row', text: String(n) }),
  element('td', { text: differs ? '≠' : '' }),
  element('td', {}, before, ...(differs && (marked !== '' || after !== '') ? [mark(marked)] : []), after),
];

/** Cells of a row of bytes, those that differ marked. */
const marked = (cells, show, between) =>
  cells.flatMap((cell, at) => {
    const text = show(cell);
    return [...(at === 0 ? [] : [between]), cell.differs ? mark(text) : text];
  });

const byteRow = ({ offset, cells, differs }) => [
  element('th', { scope: 'row', text: offset.toString(16).padStart(6, '0') }),
  element('td', { text: differs ? '≠' : '' }),
  element('td', {}, ...marked(cells, ({ hex }) => hex, ' ')),
  element('td', {}, ...marked(cells, ({ char }) => char, '')),
];

/** A note in the place of a line. */
const note = (text) => element('tr', {}, element('td', { colspan: '4', className: 'quiet', text }));

function sideTable({ lines, rows, ended }, by, isMissing) {
  const made = lines?.map(lineRow) ?? rows.map(byteRow);
  const notes = [
    ...(isMissing ? ['There is no such file.'] : ended ? ['The file ends here.'] : []),
    ...(lines?.at(-1)?.end === 'more' ? ['…'] : []),
    ...(!ended && lines?.at(-1)?.end === 'no line break' ? ['No line break at the end.'] : []),
  ];
  const table = element(
    'table',
    { 'aria-label': `Built by ${by}` },
    ...made.map((cells) => element('tr', {}, ...cells)),
    ...notes.map(note),
  );
  const region = { tabindex: '0', role: 'region', 'aria-label': `As ${by} built it` };
  return element('figure', {}, element('figcaption', { text: by }), element('div', region, table));
}

function draw(shown, found, by, code) {
  const { difference, missing = [] } = found;
  const tables =
    difference === undefined || difference.kind === 'beyond'
      ? []
      : difference.sides.map((side, n) => sideTable(side, by[n], missing[n] !== undefined));
  shown.replaceChildren(
    element('p', { role: 'status', text: sentence(found, by, code) }),
    ...(tables.length === 0 ? [] : [element('div', { className: `beside ${difference.kind}` }, ...tables)]),
  );
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function compareOften(files, code) {
  for (let n = 1; ; n++) {
    try {
      return await compare(files, code);
    } catch (error) {
      // The server fetches what lost after the verdict.
      if (error.code !== 'STORE_BLOCK_MISSING' || n >= askedMax) throw error;
      await pause(askedEveryMs);
    }
  }
}

async function start(box) {
  const by = [box.dataset.a, box.dataset.b];
  const files = [...box.querySelectorAll('li')].map((item) => ({
    name: item.querySelector('code').textContent,
    urls: [...item.querySelectorAll('a')].map(({ href }) => href),
  }));
  const key = files.flatMap(({ urls }) => urls).join(' ');
  const shown = element('div', {}, element('p', { role: 'status', className: 'quiet', text: 'Comparing …' }));
  box.querySelector('ul').before(shown);
  try {
    const code = await import(box.closest('[data-code]').dataset.code);
    if (!known.has(key)) known.set(key, compareOften(files, code));
    draw(shown, await known.get(key), by, code);
  } catch (error) {
    known.delete(key);
    const why = error.name === 'TimeoutError' ? `it took more than ${timeMs / 1000} s` : error.message;
    const again = element('button', { type: 'button', text: 'Try again' });
    again.addEventListener('click', () => {
      shown.remove();
      void start(box);
    });
    shown.replaceChildren(
      element('p', { role: 'status', text: `They could not be compared: ${why}.` }),
      again,
    );
  }
}

/** Starts what is open; a further pair waits until it is. */
function startIn(root) {
  for (const box of root.querySelectorAll('.compare')) {
    const folded = box.closest('details');
    if (folded === null || folded.open) void start(box);
    else folded.addEventListener('toggle', () => void start(box), { once: true });
  }
}

startIn(document);
addEventListener('replaced', ({ target }) => startIn(target));
