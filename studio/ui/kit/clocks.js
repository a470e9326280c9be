// The clocks of the tabs, see clocks.py. All of them follow one stream, which is closed while the page is not in sight.

const clocks = new Map();
let stream = null, lost = false, server = '';

function tick(clock) {
  clock.last = performance.now();
  clock.trigger('tick');
}

// What is told too early is kept until the clock may tick, so that the last news is always seen.
function tell(clock, tabs) {
  const secondsOf = () => (studio.openTab(tabs) === clock.name ? clock.pace.open : clock.pace.far);
  const seconds = secondsOf();
  if (!seconds || clock.waiting) return;
  const wait = clock.last + 1000 * seconds - performance.now();
  if (wait <= 50) { tick(clock); return; }
  clock.waiting = setTimeout(() => {
    clock.waiting = 0;
    if (secondsOf()) tick(clock);
  }, wait);
}

function follow({address, tabs}) {
  if (stream || document.hidden) return;
  const all = () => clocks.forEach((clock) => tell(clock, tabs));
  stream = new EventSource(address);
  stream.onmessage = all;
  stream.onopen = () => { if (lost) all(); lost = false; };
  stream.onerror = () => {
    lost = true;
    if (stream.readyState !== EventSource.CLOSED) return;  // the browser tries again by itself
    stream = null;
    setTimeout(() => follow({address, tabs}), 3000);
  };
  // A server that was started again knows nothing of this page.
  stream.addEventListener('server', ({data}) => {
    if (server && server !== data) location.reload();
    server = data;
  });
}

// What a tab needs before it is shown for the first time is asked for then.
function openFirst(name) {
  const clock = clocks.get(name);
  if (!clock || clock.isOpened) return;
  clock.isOpened = true;
  clock.trigger('expand');
}

studio.clock = ({trigger}, name, pace, where) => {
  clocks.set(name, {name, pace, trigger, last: 0, waiting: 0, isOpened: false});
  if (clocks.size > 1) return;
  studio.onTab(where.tabs, openFirst).then(() => openFirst(studio.openTab(where.tabs)));
  // The few connections to one server are needed for the page itself at first.
  setTimeout(() => follow(where), 1500);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) { lost = true; follow(where); return; }
    stream?.close();
    stream = null;
  });
};
