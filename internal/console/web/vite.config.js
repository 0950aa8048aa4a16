// Builds the page of the console into dist/, which is committed and embedded, so that
// the program can be built without npm. The same sources make the same bytes.
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const licence = readFileSync(new URL('node_modules/preact/LICENSE', import.meta.url), 'utf8').trim();

export default defineConfig({
  root: 'src',
  base: './',
  publicDir: false,
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
