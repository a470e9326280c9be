// Moves the number of the example that is shown.
studio.moveExample = (step, number) => Math.max(1, (number || 1) + step);

// Goes to the data set that was brought in just now.
studio.showArrived = ({props, watch}) => {
  showRefused(performance.now());
  watch('value', () => showData(props));
};

// Shows why something could not be brought in, where that comes after the page was opened.
function showRefused(opened) {
  const bring = document.getElementById('data-bring');
  if (!bring) {  // it is drawn beside what calls this, in a moment
    setTimeout(() => showRefused(opened), 200);
    return;
  }
  const refused = () => document.querySelectorAll('#data-imports [role=alert]');
  let count = 0;
  new MutationObserver(() => {
    const found = refused();
    if (found.length > count && performance.now() - opened > 4000) found[found.length - 1].scrollIntoView({block: 'nearest'});
    count = found.length;
  }).observe(bring.parentElement, {subtree: true, childList: true});
}

function showData(props) {
  if (!props.value.count) return;
  // What stands above it closes first.
  setTimeout(() => {
    const heading = document.querySelector('#data-heading h2');
    heading?.setAttribute('tabindex', '-1');
    heading?.focus({preventScroll: true});
    document.getElementById('data-card')?.scrollIntoView({block: 'start'});
  }, 400);
}
