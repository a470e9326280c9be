"""Handing a prepared file to the browser: what a listener's success runs there."""

SAVE = """(prepared) => {
  const file = Array.isArray(prepared) ? prepared[0] : prepared;
  if (!file || !file.url) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name || 'download';
  document.body.append(link);
  link.click();
  link.remove();
}"""
"""Saves the file that a hidden `gr.File` holds."""
