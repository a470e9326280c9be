// Moves the number of the example that is shown.
studio.moveExample = (step, number) => Math.max(1, (number || 1) + step);

// Goes to the data set that was brought in just now.
studio.showArrived = ({props, watch}) => watch('value', () => {
  if (!props.value.count) return;
  // What stands above it closes first.
  setTimeout(() => {
    const heading = document.querySelector('#data-heading h2');
    heading?.setAttribute('tabindex', '-1');
    heading?.focus({preventScroll: true});
    document.getElementById('data-card')?.scrollIntoView({block: 'start'});
  }, 400);
});
