// What reasons mean, in the words of the report: asked for when they are first shown.
import { useEffect, useState } from 'preact/hooks';
import { language } from '../lib/lang.js';

let known = null;

export function useReasons() {
  const [words, set] = useState(known);
  useEffect(() => {
    if (!words) fetch('/assets/reasons.json').then((r) => r.json()).then((w) => set((known = w)), () => {}); // without them, reasons stand there by name
  }, []);
  return words;
}

// reasonText is what a reason means, and adviceText what to do; empty while they are not known.
export const reasonText = (words, reason) => words?.[reason]?.[language()]?.[0] ?? '';
export const adviceText = (words, reason) => words?.[reason]?.[language()]?.[1] ?? '';
