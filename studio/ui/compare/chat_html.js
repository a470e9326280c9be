// Follows a growing answer to its end unless a person scrolled up, and copies an answer as it was written.
studio.conversation = ({element, watch}) => {
  const box = element.closest('.block') || element;
  const asked = () => element.querySelectorAll('.ls-said-question').length;
  const toEnd = () => { box.scrollTop = box.scrollHeight; };
  let follows = true, seen = asked();
  box.tabIndex = 0; // the keyboard scrolls it

  box.addEventListener('scroll', () => { follows = box.scrollHeight - box.scrollTop - box.clientHeight < 48; });
  watch('value', () => {
    if (asked() > seen) element.closest('.ls-chat')?.scrollIntoView({block: 'end'});
    if (asked() !== seen) { follows = true; seen = asked(); }
    if (follows) toEnd();
  });
  // What stands below an answer takes room from it once it is there, which is no scroll.
  new ResizeObserver(() => { if (follows) toEnd(); }).observe(box);
  setTimeout(toEnd);

  // The clipboard of the browser is there only on a safe address.
  function copyByHand(text) {
    const field = document.createElement('textarea');
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    return copied;
  }
  element.addEventListener('click', async (event) => {
    const button = event.target.closest('button[data-copy]');
    if (!button) return;
    const text = button.dataset.copy === 'code' ? button.previousElementSibling.textContent
      : button.closest('.ls-said-answer').dataset.text;
    try { await navigator.clipboard.writeText(text); button.textContent = studio.t('Copied'); }
    catch { button.textContent = copyByHand(text) ? studio.t('Copied') : studio.t('Not copied'); }
    setTimeout(() => { button.textContent = studio.t('Copy'); }, 1500);
  });
};
