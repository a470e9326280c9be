// Follows a growing answer to its end unless a person scrolled up, and copies an answer as it was written.
studio.conversation = ({element, watch}) => {
  const box = element.closest('.block') || element;
  const asked = () => element.querySelectorAll('.ls-said-question').length;
  const toEnd = () => { box.scrollTop = box.scrollHeight; };
  let follows = true, seen = asked();

  box.addEventListener('scroll', () => { follows = box.scrollHeight - box.scrollTop - box.clientHeight < 48; });
  watch('value', () => {
    if (asked() !== seen) { follows = true; seen = asked(); }
    if (follows) toEnd();
  });
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
    const text = button.closest('.ls-said-answer').querySelector('p').textContent;
    try { await navigator.clipboard.writeText(text); button.textContent = 'Copied'; }
    catch { button.textContent = copyByHand(text) ? 'Copied' : 'Not copied'; }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
};
