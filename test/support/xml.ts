// Whether a text is well-formed XML, as far as the plots of this repository go: one root, tags that match, escaped text.

/** What is wrong with it, a line each. */
export function problemsOf(xml: string): string[] {
  const problems: string[] = [];
  const open: string[] = [];
  let roots = 0;
  const body = xml.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  const tag = /<(\/?)([a-z]+)((?: [a-zA-Z0-9:-]+="[^"<&]*")*) ?(\/?)>|([^<]+)|(<)/gs;
  for (const [whole, closing, name, , empty, text, stray] of body.matchAll(tag)) {
    if (stray !== undefined) problems.push('a < that begins no tag');
    else if (text !== undefined) {
      if (/&(?!(amp|lt|gt|quot);)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text))
        problems.push(`not escaped: ${text}`);
      if (open.length === 0 && text.trim() !== '') problems.push(`text outside: ${text}`);
    } else if (closing === '/') {
      if (open.pop() !== name) problems.push(`${whole} closes nothing`);
    } else {
      if (open.length === 0) roots += 1;
      if (empty !== '/') open.push(name);
    }
  }
  if (roots !== 1 || open.length > 0) problems.push(`${roots} roots, open: ${open.join(' ')}`);
  return problems;
}
