// The room that the chat has: it reaches to the lower edge of the window. Closes what was opened over it, and on a
// narrow screen shows one pane at a time.
studio.chatLayout = ({element, watch}) => {
  const chat = element.closest('.ls-chat');
  const fit = () => {
    const top = Math.round(chat.getBoundingClientRect().top + window.scrollY);
    if (chat.offsetParent) chat.style.setProperty('--ls-top', `${top}px`);
  };
  new ResizeObserver(fit).observe(document.body);
  window.addEventListener('resize', fit);
  fit();

  const opened = () => [...chat.querySelectorAll('.ls-popover > button.open')];
  document.addEventListener('pointerdown', (event) => {
    const within = (part) => part.parentElement.contains(event.target) || event.target.closest('ul.options, .toast-wrap');
    opened().filter((button) => !within(button)).forEach((button) => button.click());
  });
  chat.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    opened().forEach((button) => { button.click(); button.focus(); });
  });

  const tabs = () => [...element.querySelectorAll('[role=tab]')];
  const show = (place) => {
    chat.dataset.shown = place;
    tabs().forEach((tab) => {
      tab.setAttribute('aria-selected', String(tab.dataset.pane === place));
      tab.tabIndex = tab.dataset.pane === place ? 0 : -1;
    });
  };
  const keep = () => show(tabs().some((tab) => tab.dataset.pane === chat.dataset.shown) ? chat.dataset.shown : '2');
  element.addEventListener('click', (event) => {
    const tab = event.target.closest('[role=tab]');
    if (tab) show(tab.dataset.pane);
  });
  element.addEventListener('keydown', (event) => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || !event.target.closest('[role=tab]')) return;
    const all = tabs(), at = all.findIndex((tab) => tab.dataset.pane === chat.dataset.shown);
    const next = all[(at + step + all.length) % all.length];
    show(next.dataset.pane);
    next.focus();
  });
  watch('value', () => setTimeout(keep));
  keep();
};
