// Moves the number of the example that is shown.
studio.moveExample = (step, number) => Math.max(1, (number || 1) + step);
