// The page of a worker, alive: parts that changed come as events, and each limit gets a slider.
for (const slider of document.querySelectorAll('input[type=range][data-for]')) {
  const field = document.getElementById(slider.dataset.for);
  const stops = slider.dataset.stops.split(' ');
  const say = () => slider.setAttribute('aria-valuetext', stops[Number(slider.value)]);
  slider.addEventListener('input', () => {
    field.value = stops[Number(slider.value)];
    say();
  });
  field.addEventListener('input', () => {
    const at = stops.indexOf(field.value.trim());
    if (at >= 0) slider.value = String(at);
    say();
  });
  say();
  slider.hidden = false;
}

const events = new EventSource('events');
for (const part of ['state', 'actions', 'builds', 'hosts', 'history'])
  events.addEventListener(part, ({ data }) => {
    const element = document.getElementById(part);
    // The focused element stays: a new button in its place would lose the focus.
    if ((part === 'actions' || part === 'hosts') && element.contains(document.activeElement)) return;
    element.innerHTML = data;
  });
events.addEventListener('error', () => {
  const lost = document.createElement('p');
  lost.className = 'state bad';
  lost.textContent = 'The page is not connected: quorate worker page has ended, or starts anew.';
  document.getElementById('state').replaceChildren(lost);
});
