// What listeners do in the browser alone.

studio.scrollTo = (id) => {
  document.getElementById(id)?.scrollIntoView({behavior: 'smooth', block: 'center'});
};

// Shows a component where `wanted` is chosen, and hides it otherwise.
studio.showWhere = (wanted, chosen) => ({__type__: 'update', visible: chosen === wanted});
