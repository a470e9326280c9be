// Keeps the open tab and its run in the address, so that reload, back and a sent link lead there; see place.py.

const runs = new Map();
let names = [], tabsName = '', wanted = null;

function read() {
  const given = new URLSearchParams(location.search);
  const tab = given.get('tab') ?? '';
  return {tab: names.includes(tab) ? tab : '', run: (given.get('run') ?? '').slice(0, 200)};
}

function write(tab, {adds}) {
  const address = new URL(location.href);
  const run = runs.get(tab) ?? '';
  address.searchParams.set('tab', tab);
  if (run) address.searchParams.set('run', run); else address.searchParams.delete('run');
  if (address.href === location.href) return;
  history[adds ? 'pushState' : 'replaceState'](null, '', address);
}

// A jump lands at the top, with the focus on what is read first.
async function land(tab) {
  scrollTo(0, 0);
  for (let tries = 0; tries < 60; tries += 1) {
    await new Promise((done) => { requestAnimationFrame(done); });
    if (studio.openTab(tabsName) !== tab) return;
    const heading = [...document.querySelectorAll(`#${tabsName} [role=tabpanel] :is(h2, .ls-headline)`)]
      .find((each) => each.checkVisibility());
    if (!heading) continue;
    heading.tabIndex = -1;
    heading.focus({preventScroll: true});
    scrollTo(0, 0);
    return;
  }
}

// Notes the run that is chosen on a tab. Called as a listener, with what the chooser holds.
studio.placeRun = (tab, run) => {
  runs.set(tab, run ?? '');
  if (tab === studio.openTab(tabsName) && !wanted) write(tab, {adds: false});
};

studio.place = ({trigger}, tabs, known) => {
  names = known;
  tabsName = tabs;
  const go = () => {
    const place = read();
    wanted = place.tab === studio.openTab(tabsName) ? null : place.tab;
    trigger(place.run ? 'submit' : 'click', place);
    // A slow server opens it late: taken for a press then, it would cut off the way forward.
    setTimeout(() => { wanted = null; }, 60_000);
  };
  addEventListener('popstate', () => {
    const place = read();
    if (!place.tab) history.replaceState(null, '', `?tab=${names[0]}`);
    go();
  });
  studio.onTab(tabs, (tab, byHand) => {
    const isWanted = tab === wanted;
    wanted = null;
    write(tab, {adds: !isWanted});
    if (!byHand && !isWanted) land(tab);
  }).then(go);
};
