// Prints what whole word masking changes, by the sentence that the lecture takes from Chinese BERT.
//
//   node examples/whole-word-masking.mjs [words to mask]
import { EXAMPLE_SENTENCE, exampleVocabulary, maskingStages, segmentChinese, Tokenizer } from "viltgrad";

const given = process.argv.slice(2);
const masked = given.length > 0 ? given : ["模型", "预测", "probability"];

const stages = maskingStages(EXAMPLE_SENTENCE, {
  tokenizer: new Tokenizer(exampleVocabulary()),
  words: segmentChinese(EXAMPLE_SENTENCE),
  masked,
});
console.log("[Original Sentence]");
console.log(stages.original);
console.log("[Original Sentence with CWS]");
console.log(stages.segmented);
console.log("[Original BERT Input]");
console.log(stages.tokensMasked);
console.log("[Whole Word Masking Input]");
console.log(stages.wordsMasked);
