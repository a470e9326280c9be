// What a person typed and did not send yet: the browser keeps it over a reload, for this tab of it alone.

studio.keep = (name, value) => {
  try { sessionStorage.setItem(`lora-studio-${name}`, JSON.stringify(value)); } catch { /* it may refuse to keep anything */ }
};
studio.kept = (name) => {
  try { return JSON.parse(sessionStorage.getItem(`lora-studio-${name}`)); } catch { return null; }
};

// A field of Gradio's with the class `ls-draft` is there once its tab was opened. It is filled then, unless somebody
// else did, and read when the page goes: what was sent is gone from it.
{
  const known = new Set();
  const name = (draft) => `draft-${draft.id}`;
  const field = (draft) => draft.querySelector('textarea');
  const isOurs = (draft) => document.getElementById(draft.id) === draft && field(draft);

  const fill = () => document.querySelectorAll('.ls-draft').forEach((draft) => {
    if (known.has(draft.id) || !isOurs(draft)) return;
    known.add(draft.id);
    const text = studio.kept(name(draft));
    if (typeof text !== 'string' || !text || field(draft).value) return;
    field(draft).value = text;
    field(draft).dispatchEvent(new Event('input', {bubbles: true}));
  });
  const keep = () => document.querySelectorAll('.ls-draft').forEach((draft) => {
    if (known.has(draft.id) && isOurs(draft)) studio.keep(name(draft), field(draft).value);
  });
  new MutationObserver(fill).observe(document.documentElement, {childList: true, subtree: true});
  document.addEventListener('visibilitychange', keep);
  window.addEventListener('pagehide', keep);
}
