// Asks the address for other programs as they do, and shows its answer as it comes.

const chunksOf = async (response, tell) => {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const events = (rest + decoder.decode(value, {stream: true})).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, '');
      if (data !== '[DONE]') tell(JSON.parse(data));
    }
  }
};

studio.askAddress = async (address, question, key, model) => {
  const shown = document.getElementById('address-answer'), button = document.getElementById('address-ask');
  if (!shown || button.disabled || !question.trim()) return;
  button.disabled = true;
  shown.textContent = '...';
  let text = '';
  try {
    const response = await fetch(`${address}/chat/completions`, {
      method: 'POST',
      headers: {'Authorization': `Bearer ${key}`, 'Content-Type': 'application/json'},
      body: JSON.stringify({
        model, messages: [{role: 'user', content: question}], max_tokens: 160, temperature: 0, stream: true,
      }),
    });
    if (!response.ok) throw new Error((await response.json()).error.message);
    await chunksOf(response, (chunk) => {
      if (chunk.error) throw new Error(chunk.error.message);
      text += chunk.choices[0]?.delta.content ?? '';
      shown.textContent = text;
    });
  } catch (error) {
    shown.textContent = error.message;
  }
  button.disabled = false;
};
