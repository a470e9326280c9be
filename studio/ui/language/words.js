// The words of the scripts in the language of the page, and the chooser of the language.

// Says a text of a script; `values` stand in its places, {0} and so on.
studio.t = (text, ...values) => (window.studioWords?.[text] ?? text)
  .replace(/\{(\d+)\}/g, (_, place) => values[Number(place)]);

studio.spoken = () => document.documentElement.lang || 'en';
studio.separators = () => window.studioSeparators || '.,';

studio.language = ({element, watch}, cookie) => {
  const show = () => {
    const chooser = element.querySelector('select[data-language]');
    if (chooser) chooser.value = studio.spoken();
  };
  element.addEventListener('change', ({target}) => {
    if (!target.matches('select[data-language]')) return;
    const path = new URL('.', document.baseURI).pathname;
    document.cookie = `${cookie}=${target.value}; path=${path}; max-age=31536000; samesite=lax`;
    location.reload();
  });
  watch('value', show);
  show();
};

// What Gradio says to screen readers in English alone: it has no words for these in other languages.
function gradioWord(label) {
  const [, kind, name] = /^(number input|range slider) for (.*)$/.exec(label) ?? [];
  if (kind) return kind === 'number input' ? studio.t('number input for {0}', name) : studio.t('range slider for {0}', name);
  return {
    'Reset to default value': studio.t('Reset to default value'),
    'Click to upload or drop files': studio.t('Click to upload or drop files'),
    'Gradio footer navigation': studio.t('Gradio footer navigation'),
    'Fold line': studio.t('Fold line'),
    'Unfold line': studio.t('Unfold line'),
    Copy: studio.t('Copy'),
    Download: studio.t('Download'),
  }[label];
}
function sayWords(root) {
  for (const name of ['aria-label', 'title']) {
    for (const each of root.querySelectorAll(`[${name}]`)) {
      const said = gradioWord(each.getAttribute(name));
      if (said && said !== each.getAttribute(name)) each.setAttribute(name, said);
    }
  }
}
if (window.studioWords) {
  new MutationObserver((changes) => {
    const parents = new Set(changes.map(({target, type}) => type === 'attributes' ? target.parentElement : target));
    parents.forEach((parent) => { if (parent?.isConnected) sayWords(parent); });
  }).observe(document.documentElement, {subtree: true, childList: true, attributeFilter: ['aria-label', 'title']});
}
