/** Plain text in columns, for terminals. */

/** Breaks text into lines of at most `width` characters: at spaces where there are any, inside a word where it is longer than a line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/(?<=\s)(?=\S)/)) {
      if (line !== '' && line.length + word.trimEnd().length > width) {
        lines.push(line.trimEnd());
        line = '';
      }
      line += word;
      while (line.trimEnd().length > width) {
        lines.push(line.slice(0, width));
        line = line.slice(width);
      }
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

/** Two wrapped texts beside each other under their headings; each line is at most `width` characters. */
export function sideBySide(left: { heading: string; text: string }, right: { heading: string; text: string }, width: number): string {
  const column = Math.max(10, Math.floor((width - 3) / 2));
  const cell = ({ heading, text }: { heading: string; text: string }): string[] => [...wrap(heading, column), '─'.repeat(column), ...wrap(text, column)];
  const [a, b] = [cell(left), cell(right)];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => `${(a[i] ?? '').padEnd(column)} │ ${b[i] ?? ''}`.trimEnd()).join('\n');
}
