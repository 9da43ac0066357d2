// Keeps a page up to date while it is open, shows times as ages and copies commands. Everything is readable without it.
const byId = (id) => document.getElementById(id);

const units = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];

function age(seconds) {
  if (seconds < 5) return 'just now';
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, 's'];
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

function showAges(root = document) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    time.title ||= time.textContent;
    const text = age(Math.max(0, (Date.now() - at) / 1000));
    if (time.textContent !== text) time.textContent = text;
  }
}

function addCopyButtons(root = document) {
  if (navigator.clipboard === undefined) return;
  for (const box of root.querySelectorAll('.command')) {
    if (box.querySelector('button') !== null) continue;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(box.querySelector('code').textContent);
      button.textContent = 'Copied';
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 2_000);
    });
    box.append(button);
  }
}

function enhance(root) {
  showAges(root);
  addCopyButtons(root);
}

/** Parts of the page by id, as the server sent them last. */
const shown = new Map();

/** Replaces the parts that have changed: what a reader has opened or has focused in the others stays. */
function update(markup) {
  const fresh = document.createElement('template');
  fresh.innerHTML = markup;
  for (const part of fresh.content.querySelectorAll('[data-part]')) {
    const before = byId(part.id);
    const text = part.outerHTML;
    if (before === null || shown.get(part.id) === text) continue;
    shown.set(part.id, text);
    const focused = before.contains(document.activeElement)
      ? document.activeElement?.getAttribute('href')
      : null;
    const open = [...before.querySelectorAll('details')].map((one) => one.open);
    before.replaceWith(part);
    for (const [at, one] of [...part.querySelectorAll('details')].entries()) one.open ||= open[at] ?? false;
    if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    enhance(part);
    part.dispatchEvent(new Event('replaced', { bubbles: true }));
  }
}

function connect(url) {
  const status = document.querySelector('.connection');
  const source = new EventSource(url);
  source.addEventListener('open', () => {
    status.textContent = 'live';
  });
  source.addEventListener('parts', ({ data }) => update(data));
  source.addEventListener('end', () => {
    source.close();
    status.textContent = '';
  });
  source.addEventListener('error', () => {
    status.textContent = source.readyState === EventSource.CLOSED ? '' : 'connecting again';
  });
  addEventListener('pagehide', () => source.close());
}

enhance(document);
setInterval(showAges, 10_000);
const { live } = document.body.dataset;
if (live !== undefined) connect(live);
