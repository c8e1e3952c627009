/** Bounds of what a WAF looks at in one request. */

/** Tokens that are judged together as SQL; a longer value is judged piece by piece. */
export const MOST_SQL_TOKENS = 1_024;
/** Nested encodings that are undone. */
export const MOST_DECODINGS = 3;
/** JSON within strings of JSON. */
export const MOST_NESTED_DOCUMENTS = 2;
/** Hits kept of one request. */
export const MOST_HITS = 32;
/** Characters of a location, and of a sample. */
export const MOST_LOCATION_LENGTH = 120;
export const MOST_SAMPLE_LENGTH = 60;
