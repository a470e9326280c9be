// Sets the pace of all timers by the tab that is open.
//
// `timers` are pairs of a tab and its seconds: each runs only while its tab is open. `paced` are a tab, the seconds
// while it is open, and the seconds while it is not: these always run. `tabs` is the id of all tabs.
//
// A page that is still loading hears of its first tab late, after a person has opened another: what counts is which tab
// is open by now, and the browser has that once the press is dealt with. Otherwise it is `opened`. `data-pace` says how
// many times slower than usual all timers run, because many pages are open.
studio.setTimers = async ({timers, paced, tabs, opened}) => {
  await new Promise((done) => { setTimeout(done); });
  const tab = document.querySelector(`#${tabs} button[role=tab][aria-selected=true]`);
  const open = tab ? tab.dataset.tabId : opened;
  const slower = Number(document.querySelector('[data-pace]')?.dataset.pace || 1);
  return [
    ...timers.map(([name, seconds]) => ({__type__: 'update', active: name === open, value: slower * seconds})),
    ...paced.map(([name, fast, slow]) => ({__type__: 'update', value: slower * (name === open ? fast : slow)})),
  ];
};
