// Text that others may have chosen: one line, with nothing in it that changes the
// order of what is seen or cannot be seen. The page makes text nodes of it, never markup.

const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}\u3164\uFFFD]/gu;

const most = 400; // characters: what is longer is no name

export function inert(text) {
  const short = clip(String(text ?? ''), most);
  return short.replace(unseen, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

// clip cuts a text between characters.
export function clip(text, length) {
  if (text.length <= length) return text;
  const end = (text.codePointAt(length - 1) ?? 0) > 0xffff ? length - 1 : length;
  return text.slice(0, end) + '…';
}
