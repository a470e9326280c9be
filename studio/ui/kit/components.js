// What listeners do in the browser alone.

studio.scrollTo = (id) => {
  document.getElementById(id)?.scrollIntoView({behavior: 'smooth', block: 'center'});
};

// What stands on the page of what only the browser knows: a line that warns, and a button.
studio.warning = (words) => {
  const said = document.createElement('p');
  said.className = 'ls-line ls-warning';
  said.append(document.createElement('i'), document.createElement('span'));
  said.lastChild.textContent = words;
  return said;
};
studio.button = (words, act) => {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'ls-button';
  button.textContent = words;
  button.addEventListener('click', act);
  return button;
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
