// What listeners do in the browser alone.

studio.scrollTo = (id) => {
  document.getElementById(id)?.scrollIntoView({behavior: 'smooth', block: 'center'});
};

// Shows a component where `wanted` is chosen, and hides it otherwise.
studio.showWhere = (wanted, chosen) => ({__type__: 'update', visible: chosen === wanted});

// Loads a script once, and resolves when it has run.
const loading = new Map();
studio.load = (address) => {
  if (!loading.has(address)) {
    loading.set(address, new Promise((done, failed) => {
      const script = document.createElement('script');
      script.src = address;
      script.onload = done;
      script.onerror = () => {
        loading.delete(address);
        script.remove();
        failed(new Error(`${address} could not be loaded`));
      };
      document.head.append(script);
    }));
  }
  return loading.get(address);
};
