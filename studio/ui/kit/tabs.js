// Which of the page's own tabs is open, for scripts that depend on it. `tabs` is the name of all tabs in the browser.

studio.openTab = (tabs) =>
  document.querySelector(`#${tabs} button[role=tab][aria-selected=true]`)?.dataset.tabId;

// Waits until the tabs are there: on a slow machine that is after the components in front of them.
async function whenThere(tabs) {
  while (!studio.openTab(tabs)) await new Promise((done) => { setTimeout(done, 20); });
}

// Calls `changed(tab, byHand)` whenever another tab is open; `byHand` where a person pressed that tab itself.
// Resolves once it watches.
studio.onTab = async (tabs, changed) => {
  await whenThere(tabs);
  const all = document.getElementById(tabs);
  let open = studio.openTab(tabs), pressed = -1000;
  const press = ({target}) => {
    if (target.closest?.('button[role=tab]')?.closest('.ls-tabs') === all) pressed = performance.now();
  };
  all.addEventListener('click', press, true);
  all.addEventListener('keydown', press, true);
  new MutationObserver(() => {
    const now = studio.openTab(tabs);
    if (!now || now === open) return;
    open = now;
    changed(now, performance.now() - pressed < 600);
  }).observe(all, {subtree: true, attributes: true, attributeFilter: ['aria-selected']});
};
