"""What all tabs are made of: components, buttons, pieces of HTML, charts, errors."""
