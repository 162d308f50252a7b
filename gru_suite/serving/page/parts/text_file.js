// The content of a text file that a person has dropped or chosen.

// Of a character in UTF-8, at most.
const BYTES = 4;

/** Return the text; throws an Error with a sentence where it is too long or not UTF-8. */
export async function textOfFile(file, mostCharacters) {
  // Not read: it may be larger than the memory of the tab.
  if (file.size > BYTES * (mostCharacters ?? Infinity)) {
    throw new Error(`${file.name}: has more than the ${mostCharacters.toLocaleString("en")} characters that are taken here`);
  }
  const bytes = await file.arrayBuffer();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${file.name}: is not UTF-8; save it as UTF-8`);
  }
}
