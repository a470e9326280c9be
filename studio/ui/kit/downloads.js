// Saving files from the page.

studio.saveLink = (address, name = '') => {
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
};

// Saves the file at the address that a listener returned, under the name that the server gives it.
studio.saveFile = (address) => {
  if (address) studio.saveLink(address);
};

// Saves each file whose address becomes the value of an HTML component.
studio.saveEachFile = ({props, watch}) => {
  watch('value', () => studio.saveFile(props.value));
};

// Saves a text that `text_file` prepared.
studio.saveText = (prepared) => {
  if (!prepared) return;
  const {name, text, kind} = JSON.parse(prepared);
  const address = URL.createObjectURL(new Blob([text], {type: kind}));
  studio.saveLink(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 10000);
};
