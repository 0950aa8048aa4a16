// Builds the page of the console into dist/, which is committed and embedded, so that
// the program can be built without npm. The same sources make the same bytes.
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const licence = readFileSync(new URL('node_modules/preact/LICENSE', import.meta.url), 'utf8').trim();

// The QR codes are drawn by the page that knocks, whose scripts are no modules.
const qr = {
  name: 'qr',
  resolveId: (id) => (id === 'virtual:qr' ? '\0qr' : null),
  load: (id) => (id === '\0qr' ? `const utf8 = (text) => new TextEncoder().encode(text);\n${readFileSync(new URL('../../page/src/80-qr.js', import.meta.url), 'utf8')}\nexport { qrCode };` : null),
};

export default defineConfig({
  root: 'src',
  base: './',
  publicDir: false,
  plugins: [qr],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false, // its polyfill would be an inline script
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: { output: { postBanner: (chunk) => (chunk.isEntry ? `/*! With Preact, whose licence is:\n${licence}\n*/` : '') } },
  },
});
