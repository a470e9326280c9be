// Gradio counts the seconds of a wait at every frame, and does not stop for what left the page while it waited, as its
// own "Loading..." does: an idle page took a tenth of a core. Counted four times a second they look the same.

const QUARTER = 250, LONGEST = 200;
const nextFrame = window.requestAnimationFrame.bind(window);

function countsSeconds(callback) {
  const text = String(callback);
  return text.length < LONGEST && text.includes('performance.now()') && text.includes('/1e3');
}

window.requestAnimationFrame = (callback) =>
  countsSeconds(callback) ? setTimeout(() => callback(performance.now()), QUARTER) : nextFrame(callback);
