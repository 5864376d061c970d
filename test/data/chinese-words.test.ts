import { readFileSync } from "node:fs";
import Module from "node:module";
import fc from "fast-check";
import t from "tap";
import { segmentChinese } from "../../src/data/chinese-segmenter.ts";
import { chineseContinuations, hasIdeograph } from "../../src/data/chinese-words.ts";
import { IGNORED, maskTokens, wholeWordGroups } from "../../src/data/masking.ts";
import { EXAMPLE_SENTENCE, exampleVocabulary, maskingStages } from "../../src/data/masking-stages.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { SPECIAL_TOKENS, vocabularyOf } from "../../src/data/vocabulary.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { Batches } from "../../src/train/batches.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { ListedImages, listed, range } from "../train/support.ts";

const tokenizer = new Tokenizer(exampleVocabulary());
const words = "使用 语言 模型 来 预测 下 一个 词 的 probability 。".split(" ");

t.test("the example: words, tokens, groups as they were recorded", async (t) => {
  t.strictSame(segmentChinese(EXAMPLE_SENTENCE), words);
  const recorded = JSON.parse(readFileSync(new URL("../golden/whole_word_mask.json", import.meta.url), "utf8")) as {
    lists: { label: string; tokens: string[]; chinese_ref: number[]; groups: number[][] }[];
  };
  const { tokens, chinese_ref, groups } = recorded.lists.find(({ chinese_ref }) => chinese_ref)!;
  const encoding = tokenizer.encode(EXAMPLE_SENTENCE);
  t.strictSame(encoding.tokens, tokens);
  const continuations = chineseContinuations(tokens, words);
  t.strictSame([...continuations], chinese_ref);
  t.strictSame(wholeWordGroups(tokens, { continuations }), groups);
  t.equal(groups.length, words.length);
  t.strictSame(exampleVocabulary().length, SPECIAL_TOKENS.length + 18);
  t.notOk(encoding.tokens.includes("[UNK]"));
});

t.test("the four lines of the lecture, for given words", async (t) => {
  const stages = (masked: readonly string[], segmented = words) =>
    Object.values(maskingStages(EXAMPLE_SENTENCE, { tokenizer, words: segmented, masked }));
  t.strictSame(stages(["模型", "预测", "probability"]), [
    "使用语言模型来预测下一个词的probability。",
    "使用 语言 模型 来 预测 下 一个 词 的 probability 。",
    "使 用 语 言 [MASK] 型 来 [MASK] 测 下 一 个 词 的 pro [MASK] ##lity 。",
    "使 用 语 言 [MASK] [MASK] 来 [MASK] [MASK] 下 一 个 词 的 [MASK] [MASK] [MASK] 。",
  ]);
  const taught = segmentChinese(EXAMPLE_SENTENCE, { userWords: ["下一个"] });
  t.equal(taught.join(" "), "使用 语言 模型 来 预测 下一个 词 的 probability 。");
  t.equal(stages(["下一个"], taught)[3], "使 用 语 言 模 型 来 预 测 [MASK] [MASK] [MASK] 词 的 pro ##babi ##lity 。");
  t.equal(stages(["来"])[3], "使 用 语 言 模 型 [MASK] 预 测 下 一 个 词 的 pro ##babi ##lity 。");
  t.throws(() => stages(["模"]), { name: "DataError", message: /"模" is none of the words 使用 语言 模型/ });
});

t.test("continuations: the longest word from the left, ideographs only", async (t) => {
  const of = (tokens: string, segmented: string) => [...chineseContinuations([...tokens], segmented.split(" "))];
  t.strictSame(of("研究生命", "研究 研究生 生命"), [1, 2], "the longest, so 命 stands alone");
  t.strictSame(of("生研究", "研究"), [2], "a character that begins no word is passed over");
  t.strictSame(of("研究研究", "研究"), [1, 3], "wherever it stands");
  t.strictSame(of("研", "研究"), [], "cut off");
  t.strictSame(of("研究", "研 究 ab ,, "), [], "words of one character, and other scripts");
  t.strictSame(of("", ""), []);
  t.strictSame(
    [...chineseContinuations(["[CLS]", "研", "[UNK]", "究"], ["研究"])],
    [],
    "an unknown token ends a match",
  );
  t.strictSame([...chineseContinuations(["卡", "拉", "ok"], ["卡拉OK"])], [1], "Latin pieces have their own ##");
  t.strictSame(of("𠀀𠀁", "𠀀𠀁"), [1], "two code units are one character");
  for (const text of ["词", "𠀀", "a 词", "豈"]) t.ok(hasIdeograph(text), text);
  for (const text of ["", "abc", "かな", "한글", "。"]) t.notOk(hasIdeograph(text), text);
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[天地人]{1,4}$/), { minLength: 1, maxLength: 6 }), (segmented) => {
      const tokens = [...segmented.join("")];
      const groups = wholeWordGroups(tokens, { continuations: chineseContinuations(tokens, segmented) });
      const spelled = groups.map((group) => group.map((i) => tokens[i]).join(""));
      return (
        spelled.join("") === tokens.join("") && spelled.every((word) => word.length === 1 || segmented.includes(word))
      );
    }),
  );
});

t.test("segmenter: user words, spaces, and what is missing is named", async (t) => {
  t.strictSame(segmentChinese("  一只猫 sits\n在 mat 上 "), ["一只", "猫", "sits", "在", "mat", "上"]);
  t.strictSame(segmentChinese(""), []);
  t.strictSame(segmentChinese("是的是的", { userWords: ["是的是"] }), ["是的是", "的"]);
  t.strictSame(segmentChinese(EXAMPLE_SENTENCE), words, "taught words stay with those who taught them");
  t.throws(() => segmentChinese("词", { userWords: ["a b"] }), { name: "DataError", message: /"a b" is not a word/ });
  const loader = Module as unknown as { _load: (request: string, ...rest: unknown[]) => unknown };
  const load = loader._load;
  t.teardown(() => {
    loader._load = load;
  });
  loader._load = (request, ...rest) => {
    if (request.startsWith("@node-rs/jieba")) throw new Error("Cannot find module");
    return load(request, ...rest);
  };
  t.throws(() => segmentChinese("词", { userWords: ["新词"] }), {
    name: "DataError",
    message: /optional package @node-rs\/jieba cannot be loaded; npm install @node-rs\/jieba adds it/,
  });
});

t.test("masking: Chinese words go whole, and every caption has a target, however short", async (t) => {
  const captions = ["使用语言模型", "预测", "来", "模型 probability", "下一个词的 probability。"];
  const segmented = captions.map((caption) => segmentChinese(caption));
  const faults: string[] = [];
  for (const [at, caption] of captions.entries())
    for (const seed of range(40)) {
      const encoding = tokenizer.encode(caption);
      const continuations = chineseContinuations(encoding.tokens, segmented[at]!);
      const rng = new Rng(`${caption}/${seed}`);
      const { labels } = maskTokens(encoding, tokenizer, { rng, probability: 0.15, continuations });
      const chosen = labels.flatMap((label, i) => (label === IGNORED ? [] : [i]));
      if (chosen.length === 0) faults.push(`${caption}: nothing to predict`);
      for (const group of wholeWordGroups(encoding.tokens, { continuations }))
        if (new Set(group.map((i) => chosen.includes(i))).size > 1) faults.push(`${caption}: ${chosen} cuts a word`);
    }
  t.strictSame(faults, []);
});

t.test("training: with a segmenter no word is cut, without one characters are words", async (t) => {
  const captions = ["使用语言模型", "预测下一个词", "a 使用 模型", "来预测语言的词"];
  const dataset = new ListedImages(captions.map((caption) => listed(caption)));
  const vocabulary = vocabularyOf([...new Set(captions.join("").replaceAll(" ", ""))]);
  const characters = new Tokenizer(vocabulary);
  const settings = trainingSettings("toy", { steps: 40, batchSize: 4, maskProbability: 0.4 });
  const options = {
    dataset,
    tokenizer: characters,
    settings,
    seed: 1,
    maxTextLength: 20,
    patchSize: 16,
    truncate: false,
  };
  const cutIn = async (batches: Batches) => {
    let [cut, targets] = [0, 0];
    for (const step of range(40)) {
      const { texts, maskedLabels } = await batches.at(step);
      const T = texts.ids.length / 4;
      for (const b of range(4)) {
        const ids = [...texts.ids.slice(b * T, b * T + T)].filter((id) => id !== characters.padId);
        const tokens = ids.map((id) => vocabulary[id]!);
        const chosen = (i: number) => maskedLabels[b * T + i] !== IGNORED;
        const continuations = chineseContinuations(tokens, ["使用", "语言", "模型", "预测", "一个"]);
        targets += Number(ids.some((_, i) => chosen(i)));
        for (const group of wholeWordGroups(tokens, { continuations }))
          cut += Number(new Set(group.map(chosen)).size > 1);
      }
    }
    return { cut, targets };
  };
  const whole = await cutIn(new Batches({ ...options, segment: (text) => segmentChinese(text) }));
  t.strictSame(whole, { cut: 0, targets: 160 });
  const single = await cutIn(new Batches(options));
  t.ok(single.cut > 20 && single.targets === 160, `${single.cut} words were cut`);
});
