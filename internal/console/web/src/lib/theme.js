// Light or dark: as the system has it, unless the user has chosen.
const key = 'theme';

export const themes = ['auto', 'light', 'dark'];

export function theme() {
  const kept = stored(key);
  return themes.includes(kept) ? kept : 'auto';
}

export function applyTheme(chosen = theme()) {
  if (chosen === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  store(key, chosen);
}

export function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch { /* it lasts until the page is closed */ }
}
