//! Text to ids and back, exactly.

use perceiverflow::perceiver::{
    PerceiverTokenizer,
    tokenizer::{EncodeOptions, Encoding, Padding, Truncation, special},
};
use serde_json::Value;

use crate::fixture::{json, path};

#[test]
fn text_to_ids() {
    let tokenizer = PerceiverTokenizer::open(path("tokenizer/tokenizer_config.json")).unwrap();
    for case in json("tokenizer/cases.json")["encode"].as_array().unwrap() {
        let (name, options) = (&case["name"], options(&case["arguments"]));
        match &case["text"] {
            Value::String(text) => {
                let pair = case["text_pair"].as_str();
                let encoding = tokenizer.encode_batch(&[(text, pair)], &options).unwrap().remove(0);
                assert_encoding(name, &encoding, case, Some);
                if let Some(surplus) = case["num_truncated_tokens"].as_i64() {
                    let whole = EncodeOptions { truncation: Truncation::None, ..options };
                    let length = tokenizer.encode_batch(&[(text, pair)], &whole).unwrap()[0].input_ids.len();
                    assert_eq!(surplus, length as i64 - options.max_length.unwrap() as i64, "{name}");
                }
            }
            texts => {
                let texts: Vec<(&str, Option<&str>)> =
                    texts.as_array().unwrap().iter().map(|text| (text.as_str().unwrap(), None)).collect();
                let encodings = tokenizer.encode_batch(&texts, &options).unwrap();
                for (row, encoding) in encodings.iter().enumerate() {
                    assert_encoding(name, encoding, case, |rows| rows.get(row));
                }
            }
        }
    }
}

#[test]
fn ids_to_text() {
    let tokenizer = PerceiverTokenizer::default();
    let cases = json("tokenizer/cases.json");
    for case in cases["decode"].as_array().unwrap() {
        let skip = case["arguments"]["skip_special_tokens"].as_bool().unwrap_or(false);
        let text = tokenizer.decode(&numbers(&case["ids"]), skip);
        match case["text"].as_str() {
            Some(expected) => assert_eq!(text.unwrap(), expected, "{}", case["name"]),
            None => assert!(text.is_err(), "{}: {} there", case["name"], case["error"]),
        }
    }
    // A single byte above 127 is shown there as the character of its number.
    for (id, text) in cases["tokens"].as_object().unwrap() {
        let (id, text) = (id.parse::<u32>().unwrap(), text.as_str().unwrap());
        match id {
            0..134 => assert_eq!(tokenizer.decode(&[id], false).unwrap(), text),
            _ => assert_eq!(char::from_u32(id - 6).unwrap().to_string(), text),
        }
    }
}

#[test]
fn the_vocabulary() {
    let cases = json("tokenizer/cases.json");
    assert_eq!(cases["length"], PerceiverTokenizer::LEN);
    let read = PerceiverTokenizer::open(path("tokenizer/tokenizer_config.json")).unwrap();
    assert_eq!(read, PerceiverTokenizer::default());
    assert_eq!(cases["model_max_length"], read.model_max_length());
    let ids = [
        ("pad_token", special::PAD),
        ("bos_token", special::BOS),
        ("eos_token", special::EOS),
        ("mask_token", special::MASK),
        ("cls_token", special::CLS),
        ("sep_token", special::SEP),
    ];
    ids.iter().for_each(|(name, id)| assert_eq!(cases["special"][name], *id, "{name}"));
    let mask = &cases["special_tokens_mask"];
    let special: Vec<u32> = numbers(&mask["ids"]).into_iter().map(|id| u32::from(id <= special::SEP)).collect();
    assert_eq!(special, numbers(&mask["mask"]));
}

fn options(arguments: &Value) -> EncodeOptions {
    let size = |name: &str| arguments[name].as_u64().map(|size| size as usize);
    EncodeOptions {
        add_special_tokens: arguments["add_special_tokens"].as_bool().unwrap_or(true),
        padding: match &arguments["padding"] {
            Value::Null => Padding::None,
            Value::Bool(true) => Padding::Longest,
            Value::String(name) if name == "max_length" => Padding::MaxLength,
            other => panic!("{other}"),
        },
        truncation: match &arguments["truncation"] {
            Value::Null => Truncation::None,
            Value::Bool(true) => Truncation::LongestFirst,
            Value::String(name) if name == "longest_first" => Truncation::LongestFirst,
            Value::String(name) if name == "only_first" => Truncation::OnlyFirst,
            Value::String(name) if name == "only_second" => Truncation::OnlySecond,
            other => panic!("{other}"),
        },
        max_length: size("max_length"),
        pad_to_multiple_of: size("pad_to_multiple_of"),
        stride: size("stride").unwrap_or_default(),
    }
}

fn numbers(list: &Value) -> Vec<u32> {
    serde_json::from_value(list.clone()).unwrap()
}

/// `row` takes the case's numbers for this encoding.
fn assert_encoding<'a>(name: &Value, encoding: &Encoding, case: &'a Value, row: impl Fn(&'a Value) -> Option<&'a Value>) {
    let fields = [
        ("input_ids", &encoding.input_ids),
        ("attention_mask", &encoding.attention_mask),
        ("token_type_ids", &encoding.token_type_ids),
        ("special_tokens_mask", &encoding.special_tokens_mask),
        ("overflowing_tokens", &encoding.overflowing_tokens),
    ];
    for (field, given) in fields {
        if let Some(expected) = case.get(field) {
            assert_eq!(*given, numbers(row(expected).unwrap()), "{name} {field}");
        }
    }
}
