// Votes by a key: only where a ballot is in sight, and nobody writes in a field.
studio.voteByKey = () => {
  if (window.lsVotesByKey) return;
  window.lsVotesByKey = true;
  const writes = 'textarea, select, [contenteditable="true"], input:not([type=radio]):not([type=checkbox])';
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !/^[1-4]$/.test(event.key)) return;
    if (event.target.closest && event.target.closest(writes)) return;
    const button = document.querySelector(`#vote-ballot button[data-shortcut="${event.key}"]`);
    if (!button || button.disabled || button.offsetParent === null) return;
    event.preventDefault();
    button.click();
  });
};
