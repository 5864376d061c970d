/** What no XML document may hold (XML 1.0, production 2), not even as a reference: controls and lone surrogates. */
const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/** Text as the content of an element or an attribute of XML or HTML; U+FFFD stands for what cannot be written there. */
export function escapeXml(text: string): string {
  return text.replace(FORBIDDEN, "\uFFFD").replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}
