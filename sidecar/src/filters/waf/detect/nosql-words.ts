/** The operators of MongoDB (manual of 8.0, and those of older versions and of stores like it) by what they do. Names without their `$`. */
import { WordTable } from '../words.ts';

/** Conditions of a query, and what runs code. */
export const OPERATOR = 1;
/** Stages and expressions of pipelines. */
export const STAGE = 2;
/** Changes, of which some are what tools for analytics send, too. */
export const UPDATE = 3;
/** JSON Schema, extended JSON and references have these. */
export const HARMLESS = 4;
/** Stages whose names are options of OData's queries, too. */
export const QUERY_OPTION = 5;

export const OPERATORS = new WordTable({
  [OPERATOR]: `eq ne gt gte lt lte in nin and or not nor exists type expr jsonschema mod regex options text where all elemmatch size
    bitsallclear bitsallset bitsanyclear bitsanyset geointersects geowithin near nearsphere geometry maxdistance mindistance center centersphere
    box polygon uniquedocs slice meta natural query explain maxscan maxtimems hint function accumulator eval within like ilike notin language
    casesensitive diacriticsensitive rand`,
  [STAGE]: `match group project lookup out merge unwind facet graphlookup unionwith bucket bucketauto sortbycount addfields replaceroot replacewith
    redact sample limit sort indexstats collstats currentop listsessions listlocalsessions listsearchindexes geonear documents densify fill
    setwindowfields plancachestats changestream changestreamsplitlargeevent searchmeta vectorsearch rankfusion scorefusion listsampledqueries
    listclustercatalog querystats shardeddatadistribution
    abs ceil divide exp floor ln log log10 multiply pow round sqrt subtract trunc add sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh
    atanh degreestoradians radianstodegrees bitand bitor bitxor bitnot sigmoid
    arrayelemat arraytoobject concatarrays first firstn indexofarray isarray last lastn maxn minn map objecttoarray range reduce reversearray
    sortarray zip alltrue anyelementtrue allelementstrue setdifference setequals setintersection setissubset setunion
    cmp cond ifnull switch let literal getfield setfield unsetfield mergeobjects samplerate
    dateadd datediff datefromparts datefromstring datesubtract datetoparts datetostring datetrunc dayofmonth dayofweek dayofyear hour isodayofweek
    isoweek isoweekyear millisecond minute month second todate week year tsincrement tssecond
    concat indexofbytes indexofcp ltrim regexfind regexfindall regexmatch replaceone replaceall rtrim split strcasecmp strlenbytes strlencp substr
    substrbytes substrcp tolower tostring trim toupper
    convert isnumber tobool todecimal todouble tohashedindexkey toint tolong toobjectid touuid binarysize bsonsize createobjectid
    avg sum stddevpop stddevsamp median percentile top topn bottom bottomn covariancepop covariancesamp denserank derivative documentnumber
    expmovingavg integral linearfill locf minmaxscaler rank shift`,
  [UPDATE]: `set unset inc push pull pullall pop addtoset rename currentdate mul min max setoninsert bit each position setonce`,
  [HARMLESS]: `ref id schema defs db comment anchor dynamicref dynamicanchor recursiveref recursiveanchor vocabulary definitions oid date timestamp
    numberlong numberint numberdouble numberdecimal binary minkey maxkey undefined symbol code scope uuid regularexpression dbpointer value data`,
  [QUERY_OPTION]: 'count skip filter search top orderby',
});

export function isOperatorName(text: Uint8Array, start: number, end: number): boolean {
  return OPERATORS.find(text, start, end) !== 0;
}
