import * as z from "zod/mini";
import { maskBudget, replaceSelected, takeGroups, wholeWordGroups } from "../../../data/masking.ts";
import { Tokenizer } from "../../../data/tokenizer.ts";
import type { Check, Claims } from "../comparison.ts";
import type { GoldenCase } from "../golden-case.ts";

const numbers = z.array(z.number());
const rows = z.array(numbers);

const wordPieceSchema = z.looseObject({
  vocab: z.array(z.string()),
  max_length: z.number(),
  rows: z.array(
    z.looseObject({
      text: z.string(),
      tokens: z.array(z.string()),
      tokens_cased: z.optional(z.array(z.string())),
      input_ids: numbers,
      attention_mask: numbers,
      decoded: z.optional(z.string()),
    }),
  ),
});

/** BERT's tokens with and without case, padded and truncated ids, and the text made of them again. */
export function verifyWordPiece(golden: GoldenCase): Claims {
  const { vocab, max_length: maxLength, rows } = golden.read(wordPieceSchema);
  const tokenizer = new Tokenizer(vocab, golden.name);
  const cased = new Tokenizer(vocab, golden.name, { lowercase: false });
  const checks = rows.flatMap(({ text, tokens, tokens_cased, input_ids, attention_mask, decoded }): Check[] => {
    const check = (what: string, actual: unknown, expected: unknown) => ({
      ...{ name: `${what} of ${JSON.stringify(text.slice(0, 40))}`, actual, expected },
    });
    const pieces = [
      check("tokens", tokenizer.tokenize(text).tokens, tokens),
      ...(tokens_cased ? [check("cased tokens", cased.tokenize(text).tokens, tokens_cased)] : []),
      ...(decoded !== undefined ? [check("decoded", tokenizer.decode(input_ids), decoded)] : []),
    ];
    if (tokens.length === 0) return pieces; // `encode` refuses a caption without a token
    const { ids } = tokenizer.encode(text, { maxLength, truncate: true });
    const padding = new Array<number>(maxLength - ids.length).fill(tokenizer.padId);
    const mask = [...ids.map(() => 1), ...padding.map(() => 0)];
    return [...pieces, check("ids", [...ids, ...padding], input_ids), check("mask", mask, attention_mask)];
  });
  return { claims: [], checks };
}

const maskSchema = z.looseObject({
  vocab: z.array(z.string()),
  mask_token_id: z.number(),
  lists: z.array(
    z.looseObject({
      label: z.string(),
      tokens: z.array(z.string()),
      chinese_ref: z.optional(numbers),
      groups: rows,
      masks_for_given_group_order: z.array(
        z.looseObject({ mlm_probability: z.number(), group_order: numbers, num_to_predict: z.number(), mask: numbers }),
      ),
    }),
  ),
  collator_calls: z.array(
    z.looseObject({
      collator: z.string(),
      mlm_probability: z.number(),
      input_ids: rows,
      group_orders: z.nullable(rows),
      draws: z.looseObject({ masked: z.optional(rows), replace_80: rows, random_50: rows, random_words: rows }),
      output_input_ids: rows,
      output_labels: rows,
    }),
  ),
});
type MaskCase = z.output<typeof maskSchema>;

/** Tokens that are masked together, which of them a given order chooses, and the 80/10/10 corruption of given draws. */
export function verifyWholeWordMask(golden: GoldenCase): Claims {
  const recorded = golden.read(maskSchema);
  return {
    claims: [],
    checks: [
      ...recorded.lists.flatMap(listChecks),
      ...recorded.collator_calls.flatMap((call) => callChecks(call, recorded)),
    ],
  };
}

function listChecks({
  label,
  tokens,
  chinese_ref,
  groups,
  masks_for_given_group_order,
}: MaskCase["lists"][number]): Check[] {
  const found = wholeWordGroups(tokens, { continuations: new Set(chinese_ref) });
  const orders = masks_for_given_group_order.flatMap(({ mlm_probability, group_order, num_to_predict, mask }) => {
    const budget = maskBudget(tokens.length, mlm_probability);
    const inOrder = group_order.map((i) => found[i]!);
    const taken = new Set(takeGroups(inOrder, budget));
    const name = `${label}, ${mlm_probability}, order ${group_order}`;
    return [
      { name: `${name}: how many`, actual: budget, expected: num_to_predict },
      { name: `${name}: which`, actual: tokens.map((_, i) => Number(taken.has(i))), expected: mask },
    ];
  });
  return [{ name: `${label}: groups`, actual: found, expected: groups }, ...orders];
}

function callChecks(call: MaskCase["collator_calls"][number], { vocab, mask_token_id }: MaskCase): Check[] {
  return call.input_ids.flatMap((ids, row) => {
    const tokens = ids.map((id) => vocab[id]!);
    const chosen = chosenTokens(tokens, call, row);
    const { ids: masked, labels } = replaceSelected(ids, chosen, (i, id) => {
      if (call.draws.replace_80[row]![i]) return mask_token_id;
      return call.draws.random_50[row]![i] ? call.draws.random_words[row]![i]! : id;
    });
    const name = `${call.collator}, row ${row}`;
    return [
      { name: `${name}: ids`, actual: masked, expected: call.output_input_ids[row] },
      { name: `${name}: labels`, actual: labels, expected: call.output_labels[row] },
    ];
  });
}

/** The recorded order of groups up to the budget, or the recorded draw of each token. */
function chosenTokens(tokens: readonly string[], call: MaskCase["collator_calls"][number], row: number): number[] {
  const order = call.group_orders?.[row];
  if (!order) return tokens.flatMap((_, i) => (call.draws.masked?.[row]?.[i] ? [i] : []));
  const groups = wholeWordGroups(tokens);
  const inOrder = order.map((i) => groups[i]!);
  const budget = maskBudget(tokens.length, call.mlm_probability);
  return takeGroups(inOrder, budget).filter((i) => tokens[i] !== "[PAD]");
}
