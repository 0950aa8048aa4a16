import { render } from 'preact';
import { App } from './app.jsx';
import { applyTheme } from './lib/theme.js';
import { run } from './lib/session.js';

applyTheme();
render(<App />, document.getElementById('app'));
run();
